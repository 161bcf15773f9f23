// Owns the kernel "pool": ONNX's MaxPool and AveragePool of 1 to 3 spatial dims, x[n, c, spatial…] -> y[n, c, spatial…],
// any strides; float32, float16 and bfloat16, for "max" also float64 and integers of 8, 32 and 64 bits.
//
// Attributes: "mode" ("max", "average"), "kernel_shape", "strides", "dilations", "pads" (may be expressions),
// "count_include_pad" (average only: padding counts in the divisor). The output's dims say whether the last window was
// rounded up (ONNX's ceil_mode): positions beyond the padded input count nowhere.
#pragma once

#include "runtime/kernels/kernel.h"

namespace shardwright {

StatusOr<std::unique_ptr<Kernel>> makePoolCpu(const KernelSpec& spec);

}  // namespace shardwright
