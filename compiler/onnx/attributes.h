// Owns how ONNX's attributes and small tensors become MLIR's, and back for the schemas' function builders. It owns no op.
#pragma once

#include "mlir/IR/BuiltinAttributes.h"
#include "onnx/onnx_pb.h"
#include "runtime/base/dtype.h"
#include "runtime/base/status.h"

namespace shardwright {

// The IR's type of such elements; null for those that the compiler does not know: strings, and numbers that MLIR lacks.
mlir::Type knownElementType(mlir::MLIRContext* context, DType dtype);

// The tensor's elements. kUserError if it has too few or too many, or an element type that the compiler does not know.
// Requires embedded data (not external).
StatusOr<mlir::DenseElementsAttr> tensorAttr(mlir::MLIRContext* context, const onnx::TensorProto& tensor);

// An attribute as row.h says. kUserError for kinds that have none there (sparse tensors, types, graphs) and large tensors.
StatusOr<mlir::Attribute> attributeOf(mlir::MLIRContext* context, const onnx::AttributeProto& attribute);

// The way back; false for an attribute that is not ONNX's.
bool toAttributeProto(llvm::StringRef name, mlir::Attribute attr, onnx::AttributeProto& attribute);

}  // namespace shardwright
