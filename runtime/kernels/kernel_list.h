// Owns the list of all kernels. A kernel is added by its folder and its line here; a listed kernel without a CPU body
// does not link.
#pragma once

#include "runtime/kernels/kernel.h"

// X(name as steps write it, Name in makeNameCpu)
#define SHARDWRIGHT_KERNELS(X)           \
  X("attention", Attention)              \
  X("arg_reduce", ArgReduce)             \
  X("conv", Conv)                        \
  X("copy", Copy)                        \
  X("cumsum", Cumsum)                    \
  X("fill_values", FillValues)           \
  X("gather", Gather)                    \
  X("gather_elements", GatherElements)   \
  X("gather_nd", GatherNd)               \
  X("loop", Loop)                        \
  X("matmul", Matmul)                    \
  X("pad", Pad)                          \
  X("pool", Pool)                        \
  X("range", Range)                      \
  X("scatter_elements", ScatterElements) \
  X("scatter_nd", ScatterNd)             \
  X("topk", Topk)

namespace shardwright {

// All kernels, in the list's order.
const std::vector<KernelEntry>& cpuKernels();

}  // namespace shardwright
