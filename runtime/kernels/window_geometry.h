// Owns the geometry of a window that slides over spatial dims, for conv and pool: attributes, extents, the input that a
// range of outputs needs.
#pragma once

#include "runtime/kernels/attr_reader.h"

namespace shardwright {

constexpr int kMaxSpatial = 3;

// One spatial dim: output o sees inputs o * stride - padBegin + i * dilation for i < kernel.
struct WindowDim {
  int64_t input = 0, output = 0, kernel = 1, stride = 1, dilation = 1, padBegin = 0, padEnd = 0;

  int64_t extent() const { return (kernel - 1) * dilation + 1; }
};

// The inputs that outputs [first, end) see, and how many positions of padding lie before and after them.
struct WindowPart {
  int64_t firstInput = 0, endInput = 0, padBegin = 0, padEnd = 0;
};
WindowPart windowPart(const WindowDim& dim, int64_t first, int64_t end);

// Reads "strides", "dilations" and "pads" for x[n, c, spatial…] and y[n, m, spatial…]. Fails if an output would lie
// wholly beyond the padded input; checkEnd also demands that the last outputs need no padding beyond padEnd.
StatusOr<std::vector<WindowDim>> readWindow(const KernelSpec& spec, AttrReader& attrs,
                                            const std::vector<int64_t>& kernelShape, const TensorRef& x,
                                            const TensorRef& y, bool checkEnd);

}  // namespace shardwright
