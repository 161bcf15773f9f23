// Owns matrix multiplication accumulated in float32: blocking for the caches, threads, post-ops.
#pragma once

#include "runtime/kernels/matmul/problem.h"

namespace shardwright {

// `packed`: b's data is what packConstant() wrote of each of its matrices, packedElements() apart.
std::unique_ptr<PreparedKernel> prepareFloatMatmul(const KernelSpec& spec, MatmulProblem problem,
                                                   const std::vector<PostOps::Op>& ops, bool packed, int numThreads);

}  // namespace shardwright
