// Owns matrix multiplication of integers (modulo 2^bits) and of float64: plain loops, correct before fast.
#pragma once

#include "runtime/kernels/matmul/problem.h"

namespace shardwright {

bool isExactMatmulType(DType type);

std::unique_ptr<PreparedKernel> prepareExactMatmul(DType type, MatmulProblem problem);

}  // namespace shardwright
