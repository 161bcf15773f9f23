// Owns the replacement of an op by the body that its ONNX schema defines for it. It does not own which ops need that: those
// without a row.
#pragma once

#include "mlir/IR/Builders.h"
#include "mlir/IR/Operation.h"
#include "runtime/base/status.h"

namespace onnx {
class OpSchema;
}

namespace shardwright {

// ONNX's schema of the op at this opset (of another domain than ONNX's own: the newest); null if there is none.
const onnx::OpSchema* schemaOf(mlir::Operation* op, int opset);

// Whether ONNX's schema of this op at this opset has a function body, static or built for a context.
bool hasSchemaFunction(mlir::Operation* op, int opset);

// Replaces the op by the ops of its body, built where it stood; they have no result types yet, their names are "NODE/OpType_k".
// Operands must have types: bodies depend on them. Requires hasSchemaFunction. kUserError if the schema builds no body for
// these operands.
Status expandSchemaFunction(mlir::Operation* op, int opset);

}  // namespace shardwright
