// Owns the kernel "attention": y[b, h, s, e] := softmax over t of (scale * q[b, h, s, d] · k[b, g, t, d] + mask) times
// v[b, g, t, e], in one pass over k and v, without the matrix of scores in memory. g = h / (h's extent / k's heads):
// consecutive query heads share a head of k and v.
//
// Inputs: q, k, v of any strides (d and e contiguous are the fast ones), then optionally a mask that broadcasts to
// [b, h, s, t]: float (added) or bool (false: not seen). float32, float16, bfloat16; computed in float32.
// Attributes: "scale" (default 1 / sqrt(d)); "is_causal" with "offset": key j is seen by query i if j <= i + offset;
// "softcap" (c: scores become c * tanh(score / c), before the mask; default 0: none); "empty_rows", what a query that
// sees no key gets: "zeros", or "uniform", the mean of v, as where masking means adding the lowest finite number.
#pragma once

#include "runtime/kernels/kernel.h"

namespace shardwright {

StatusOr<std::unique_ptr<Kernel>> makeAttentionCpu(const KernelSpec& spec);

}  // namespace shardwright
