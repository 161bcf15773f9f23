// Owns what is known of the contents of integer tensors that enumerate positions (Range and what exporters do to it). It does
// not own contents of a few elements that are folded at import; see OpView::value.
#pragma once

#include <optional>

#include "compiler/ops/op_view.h"
#include "mlir/IR/Value.h"

namespace shardwright {

// The element at i0, i1, … is base + Σ steps[k]·ik.
//   Unsqueeze(Range(3, 3 + n, 1), [0]): [1, n]   base 3, steps [0, 1]
struct IndexContent {
  Expr base;
  Exprs steps;  // by dim; 0 for dims of size 1
};

// Nothing if the value is not made by Range, known constants, and ops that keep contents of this form.
std::optional<IndexContent> indexContent(mlir::Value value, const Facts& facts);

}  // namespace shardwright
