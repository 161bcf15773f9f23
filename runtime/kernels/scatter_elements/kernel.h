// Owns the kernel "scatter_elements": output := data, then output[…, indices[…, i, …], …] along "axis" is combined with
// updates[…, i, …], in the order of i.
// Attributes: "axis", "reduction" ("none": replaced; "add", "mul", "max", "min"), "extent" and "offset" as for "gather":
// updates of elements that this rank does not hold, and wrong indices, are left out. The output may be data itself.
#pragma once

#include "runtime/kernels/kernel.h"

namespace shardwright {

StatusOr<std::unique_ptr<Kernel>> makeScatterElementsCpu(const KernelSpec& spec);

}  // namespace shardwright
