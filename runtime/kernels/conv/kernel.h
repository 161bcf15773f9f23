// Owns the kernel "conv": ONNX's convolution of 1 to 3 spatial dims. Inputs are x[n, c, spatial…],
// w[m, c / group, kernel…], an optional bias[m] (absent or left out), then the post-ops' operands; the output is
// y[n, m, spatial…], then the post-ops are applied.
//
// Dims are in ONNX's order, memory in any: the fast way is channels-last, which for a view is a matter of its strides
// (stride 1 along c). Other inputs and outputs, and float16 and bfloat16, go through a channels-last float32 copy.
//
// Attributes: "strides", "dilations" (default 1), "pads" (begins, then ends; default 0; may be expressions, and smaller
// than the ONNX node's where a shard's edge is not the tensor's), "group" (default 1; a constant w
// is packed only where it is a number, not an expression), "assumed_spatial" (x's likely
// spatial dims, for the choice of a constant w's layout; any others work, and may cost a second copy of w).
#pragma once

#include "runtime/kernels/kernel.h"

namespace shardwright {

StatusOr<std::unique_ptr<Kernel>> makeConvCpu(const KernelSpec& spec);

}  // namespace shardwright
