// Owns whether an op's operands have the element types that ONNX's schema of the op allows. It does not own their shapes.
#pragma once

#include "mlir/IR/Operation.h"
#include "runtime/base/status.h"

namespace shardwright {

// kUserError that names the first operand of a type that the schema of this opset does not allow at its place, or of another
// type than an operand that it must agree with. Ops without a schema are taken as they are. Operands must have types.
//   MatMul(float32, int64)  ->  "operand 1 is tensor(int64), and operand 0 tensor(float); MatMul takes them of one type"
Status checkOperandTypes(mlir::Operation* op, int opset);

}  // namespace shardwright
