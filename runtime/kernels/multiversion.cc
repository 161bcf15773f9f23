#include "runtime/kernels/multiversion.h"

#include <algorithm>

namespace shardwright {
namespace {

IsaLevel machineLevel() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  return avx512 ? IsaLevel::kAvx512 : avx2 ? IsaLevel::kAvx2 : IsaLevel::kBaseline;
#else
  return IsaLevel::kBaseline;
#endif
}

IsaLevel& level() {
  static IsaLevel found = machineLevel();
  return found;
}

}  // namespace

IsaLevel isaLevel() { return level(); }

void limitIsaLevel(IsaLevel most) { level() = std::min(most, machineLevel()); }

}  // namespace shardwright
