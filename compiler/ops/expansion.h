// Owns how an op is replaced by its row's expansion. It does not decide when.
#pragma once

#include "compiler/ops/row.h"

namespace shardwright {

// The row's lowering if that is an expansion, else its decomposition; null if it has neither.
const ExpandBody* expansionOf(const Row& row);

// Replaces the op by its expansion and erases it; the values have the types of the op's results. False, and nothing changed, if
// the row has none or it does not apply.
bool expandOp(mlir::OpBuilder& builder, mlir::Operation* op, const Row& row, const Facts& facts);

}  // namespace shardwright
