#include "runtime/kernels/multiversion.h"

namespace shardwright {

IsaLevel isaLevel() {
#if defined(__x86_64__)
  static const IsaLevel level = [] {
    __builtin_cpu_init();
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    return avx512 ? IsaLevel::kAvx512 : avx2 ? IsaLevel::kAvx2 : IsaLevel::kBaseline;
  }();
  return level;
#else
  return IsaLevel::kBaseline;
#endif
}

}  // namespace shardwright
