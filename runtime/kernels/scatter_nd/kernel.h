// Owns the kernel "scatter_nd": output := data, then for every i… output[indices[i…, 0], …, indices[i…, r-1], d…] is
// combined with updates[i…, d…] in row-major order of i.
// Attributes: "reduction" ("none": replaced; "add", "mul", "max", "min"), "extents" and "offsets" as for "gather_nd":
// updates of elements that this rank does not hold, and wrong indices, are left out. The output may be data itself.
#pragma once

#include "runtime/kernels/kernel.h"

namespace shardwright {

StatusOr<std::unique_ptr<Kernel>> makeScatterNdCpu(const KernelSpec& spec);

}  // namespace shardwright
