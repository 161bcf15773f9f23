// Owns matrix multiplication accumulated in float32, on tiles cut over the threads.
#pragma once

#include "runtime/kernels/matmul/onednn_matmul.h"
#include "runtime/kernels/matmul/problem.h"

namespace shardwright {

// `packed` is the layout of a packed b; null if b is used as it is.
StatusOr<std::unique_ptr<PreparedKernel>> prepareFloatMatmul(const KernelSpec& spec, MatmulProblem problem,
                                                             const std::vector<PostOps::Op>& ops,
                                                             const PackedLayout* packed, int numThreads);

}  // namespace shardwright
