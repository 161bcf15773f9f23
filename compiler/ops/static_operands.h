// Owns how operands that say sizes become the attribute "static" (see row.h). It does not own what their values are.
#pragma once

#include "compiler/ops/row.h"

namespace shardwright {

// Moves every known value of an operand named by row.staticOperands into the attribute "static" and replaces the operand by
// onnx.None; operands whose values are not known stay. Returns whether anything changed.
bool foldStaticOperands(mlir::OpBuilder& builder, mlir::Operation* op, const Row& row, const Facts& facts);

}  // namespace shardwright
