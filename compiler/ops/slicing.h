// Owns the arithmetic of ONNX's Slice: which elements of each dim it takes, over symbolic sizes. It owns no op.
#pragma once

#include <vector>

#include "compiler/ops/row.h"

namespace shardwright {

// Of one dim, `count` elements from `start` on, `step` apart; step may be negative.
struct DimSlice {
  Expr start = 0, count;
  int64_t step = 1;
  bool isWhole = true;
};

// For every dim of a value with these dims. kUserError where bounds depend on data or their sign is not known.
StatusOr<std::vector<DimSlice>> slicesOf(const OpView& op);

}  // namespace shardwright
