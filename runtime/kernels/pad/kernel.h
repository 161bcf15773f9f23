// Owns the kernel "pad": x surrounded by "pads" (for each dim its begin, then for each its end; negative ones cut), filled
// by "mode": "constant" (the one-element second input, or zero), "edge", "reflect" (the edge is not repeated), "wrap".
#pragma once

#include "runtime/kernels/kernel.h"

namespace shardwright {

StatusOr<std::unique_ptr<Kernel>> makePadCpu(const KernelSpec& spec);

}  // namespace shardwright
