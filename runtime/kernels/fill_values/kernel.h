// Owns the kernel "fill_values": output (row-major, or 1-D of any stride) := the numbers of the attribute "values". It turns
// sizes into tensors (what ONNX's Shape gives) and is not meant for large constants.
#pragma once

#include "runtime/kernels/kernel.h"

namespace shardwright {

StatusOr<std::unique_ptr<Kernel>> makeFillValuesCpu(const KernelSpec& spec);

}  // namespace shardwright
