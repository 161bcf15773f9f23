#include "runtime/kernels/kernel_list.h"

namespace shardwright {

#define SHARDWRIGHT_DECLARE(name, type) StatusOr<std::unique_ptr<Kernel>> make##type##Cpu(const KernelSpec& spec);
SHARDWRIGHT_KERNELS(SHARDWRIGHT_DECLARE)
#undef SHARDWRIGHT_DECLARE

const std::vector<KernelEntry>& cpuKernels() {
#define SHARDWRIGHT_ENTRY(name, type) {name, make##type##Cpu},
  static const std::vector<KernelEntry> kernels = {SHARDWRIGHT_KERNELS(SHARDWRIGHT_ENTRY)};
#undef SHARDWRIGHT_ENTRY
  return kernels;
}

const KernelEntry* findCpuKernel(std::string_view name) {
  for (const KernelEntry& entry : cpuKernels()) {
    if (name == entry.name) return &entry;
  }
  return nullptr;
}

}  // namespace shardwright
