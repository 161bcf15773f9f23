// Owns the kernel "gather_elements": output[…, i, …] := data[…, indices[…, i, …], …] along "axis"; indices and output have
// the same dims, which off the axis may be smaller than data's. "extent" and "offset" as for "gather": elements that
// this rank does not hold, and wrong indices, give zeros.
#pragma once

#include "runtime/kernels/kernel.h"

namespace shardwright {

StatusOr<std::unique_ptr<Kernel>> makeGatherElementsCpu(const KernelSpec& spec);

}  // namespace shardwright
