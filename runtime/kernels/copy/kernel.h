// Owns the kernel "copy": output := input, both strided windows of the same dims and dtype. It converts nothing.
// The windows must not overlap; the output's strides may not be 0 along a dim larger than 1, the input's may.
#pragma once

#include "runtime/kernels/kernel.h"

namespace shardwright {

StatusOr<std::unique_ptr<Kernel>> makeCopyCpu(const KernelSpec& spec);

}  // namespace shardwright
