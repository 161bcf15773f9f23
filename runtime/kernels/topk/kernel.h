// Owns the kernel "topk": the k largest (or smallest) elements of each row along "axis", with their int64 indices;
// k is the outputs' dim. Sorted; equal elements in the order of their indices; NaN is larger than any number.
// Attributes: "axis", "largest" (default 1), "sorted" (ignored: always), "offset" (added to indices, for a split axis).
#pragma once

#include "runtime/kernels/kernel.h"

namespace shardwright {

StatusOr<std::unique_ptr<Kernel>> makeTopkCpu(const KernelSpec& spec);

}  // namespace shardwright
