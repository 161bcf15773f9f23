// Owns the kernel "cumsum": running sums along "axis". "exclusive" leaves an element out of its own sum; "reverse" sums
// from the end. 16-bit floats are accumulated in float32, integers wrap.
#pragma once

#include "runtime/kernels/kernel.h"

namespace shardwright {

StatusOr<std::unique_ptr<Kernel>> makeCumsumCpu(const KernelSpec& spec);

}  // namespace shardwright
