// Owns the kernel "gather": output[a…, i…, b…] := data[a…, indices[i…], b…], ONNX's Gather along the attribute "axis".
//
// A table may be split along the axis: "extent" is its global size (default: data's) and "offset" the global index of
// data's first row. Rows that this rank does not hold, and indices outside of [-extent, extent), give zeros, so that the
// ranks' results add up to the whole result.
#pragma once

#include "runtime/kernels/kernel.h"

namespace shardwright {

StatusOr<std::unique_ptr<Kernel>> makeGatherCpu(const KernelSpec& spec);

}  // namespace shardwright
