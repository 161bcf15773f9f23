// Owns the kernel "matmul": output[..., m, n] := sum over k of a[..., m, k] * b[..., k, n], then the post-ops. Inputs are
// a, b and the post-ops' operands; batch dims broadcast as numpy's, or by stride 0; either matrix may be a transposed view.
//
// float32, float16 and bfloat16 (mixed freely) are multiplied and accumulated in float32, and only they may have post-ops;
// float64 and integers (one type for all three) are exact loops, integers modulo 2^bits. An empty k gives zeros.
// A constant b is packed once, as float32, in one layout for every number of rows.
#pragma once

#include "runtime/kernels/kernel.h"

namespace shardwright {

StatusOr<std::unique_ptr<Kernel>> makeMatmulCpu(const KernelSpec& spec);

}  // namespace shardwright
