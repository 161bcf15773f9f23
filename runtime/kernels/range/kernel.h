// Owns the kernel "range": output[i] := start + (offset + i) * step, for a 1-D output whose extent the compiler knows.
// "offset" is the global index of the output's first element where the range is split.
#pragma once

#include "runtime/kernels/kernel.h"

namespace shardwright {

StatusOr<std::unique_ptr<Kernel>> makeRangeCpu(const KernelSpec& spec);

}  // namespace shardwright
