// Owns the kernel "arg_reduce": the int64 index of the largest or smallest element of each row along "axis", and as a
// second output, where wanted, that element. The outputs lack the axis, or have 1 there. NaN is larger than any number.
// Attributes: "axis", "mode" ("max", "min"), "select_last_index" (default 0), "offset" (added, for a split axis).
#pragma once

#include "runtime/kernels/kernel.h"

namespace shardwright {

StatusOr<std::unique_ptr<Kernel>> makeArgReduceCpu(const KernelSpec& spec);

}  // namespace shardwright
