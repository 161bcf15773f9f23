// Owns the kernel "gather_nd": with indices[b…, i…, r] and batch_dims = rank of b, output[b…, i…, d…] :=
// data[b…, indices[b…, i…, 0], …, indices[b…, i…, r-1], d…].
// Attributes: "batch_dims" (default 0), and for data split along indexed dims "extents" and "offsets", one number for
// each of the r dims: elements that this rank does not hold, and wrong indices, give zeros.
#pragma once

#include "runtime/kernels/kernel.h"

namespace shardwright {

StatusOr<std::unique_ptr<Kernel>> makeGatherNdCpu(const KernelSpec& spec);

}  // namespace shardwright
