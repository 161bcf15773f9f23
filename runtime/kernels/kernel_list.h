// Owns the list of all kernels. A kernel is added by its folder and its line here; a listed kernel without a CPU body
// does not link.
#pragma once

#include "runtime/kernels/kernel.h"

// X(name as steps write it, Name in makeNameCpu)
#define SHARDWRIGHT_KERNELS(X) \
  X("copy", Copy)              \
  X("fill_values", FillValues) \
  X("gather", Gather)          \
  X("loop", Loop)              \
  X("matmul", Matmul)          \
  X("range", Range)

namespace shardwright {

// All kernels, in the list's order.
const std::vector<KernelEntry>& cpuKernels();

}  // namespace shardwright
