// Owns the geometry of windows that slide over spatial dims, for the rows of convolution and pooling. It owns no op.
#pragma once

#include <vector>

#include "compiler/ops/row.h"

namespace shardwright {

// By spatial dim; pads may be expressions (auto_pad of a symbolic size).
struct Window {
  std::vector<int64_t> kernel, strides, dilations;
  Exprs padBegin, padEnd;
  bool roundsUp = false;  // ceil_mode: a last window that is not full counts, if it begins inside

  Exprs pads() const;  // begins, then ends
};

// Of an op whose operand 0 is [n, c, spatial…]; `kernel` empty: from the attribute kernel_shape.
StatusOr<Window> windowOf(const OpView& op, std::vector<int64_t> kernel);

// The number of windows along each spatial dim.
Exprs windowCounts(const OpView& op, const Window& window);

}  // namespace shardwright
