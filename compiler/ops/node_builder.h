// Owns how rows' expansions write ONNX nodes: result types from the rows' own shape functions, constants, and short forms of
// what many expansions use. It owns no op.
#pragma once

#include "compiler/ops/op_view.h"
#include "compiler/ops/row.h"
#include "mlir/IR/Builders.h"

namespace shardwright {

// Nodes are made at the builder's insertion point, with the location of the op that is expanded. Their shapes must follow
// from the operands': an expansion that breaks this is a bug of ours and asserts.
class NodeBuilder {
 public:
  using Attr = std::pair<llvm::StringRef, mlir::Attribute>;

  NodeBuilder(mlir::OpBuilder& builder, const OpView& op) : builder_(builder), op_(op) {}

  mlir::Value operand(int i) const { return op_.has(i) ? op_.operation()->getOperand(i) : mlir::Value(); }
  // The first result of a new node; a null operand becomes onnx.None. `name` begins with its domain where it has one.
  mlir::Value node(llvm::StringRef name, llvm::ArrayRef<mlir::Value> operands, llvm::ArrayRef<Attr> attrs = {});
  std::vector<mlir::Value> nodes(llvm::StringRef name, int numResults, llvm::ArrayRef<mlir::Value> operands,
                                 llvm::ArrayRef<Attr> attrs = {});

  mlir::Value none();
  mlir::Value scalar(double value, DType dtype);     // rank 0
  mlir::Value ints(llvm::ArrayRef<int64_t> values);  // int64, rank 1
  mlir::Value exprs(llvm::ArrayRef<Expr> values);    // onnx.ShapeValue, int64, rank 1
  mlir::Value expr(Expr value);                      // onnx.ShapeValue, int64, rank 0
  mlir::Attribute intAttr(int64_t value) { return builder_.getI64IntegerAttr(value); }
  mlir::Attribute intsAttr(llvm::ArrayRef<int64_t> values) { return builder_.getDenseI64ArrayAttr(values); }
  mlir::Attribute floatAttr(double value) { return builder_.getF32FloatAttr(static_cast<float>(value)); }
  mlir::Attribute stringAttr(llvm::StringRef value) { return builder_.getStringAttr(value); }

  mlir::Value add(mlir::Value a, mlir::Value b) { return node("Add", {a, b}); }
  mlir::Value sub(mlir::Value a, mlir::Value b) { return node("Sub", {a, b}); }
  mlir::Value mul(mlir::Value a, mlir::Value b) { return node("Mul", {a, b}); }
  mlir::Value div(mlir::Value a, mlir::Value b) { return node("Div", {a, b}); }
  mlir::Value mul(mlir::Value a, double b) { return mul(a, scalar(b, dtypeOf(a.getType()))); }
  mlir::Value add(mlir::Value a, double b) { return add(a, scalar(b, dtypeOf(a.getType()))); }
  mlir::Value cast(mlir::Value value, DType dtype);  // the value itself if it has the type
  mlir::Value reshape(mlir::Value value, llvm::ArrayRef<Expr> dims);
  mlir::Value transpose(mlir::Value value, llvm::ArrayRef<int64_t> permutation);
  mlir::Value expand(mlir::Value value, llvm::ArrayRef<Expr> dims);
  mlir::Value slice(mlir::Value value, int64_t axis, Expr start, Expr end);
  // A list of numbers as what broadcasts along an axis of tensors of that rank; what is no list is left as it is.
  mlir::Value along(mlir::Value numbers, int axis, int rank);
  // What quantised numbers mean, in that type, but for their scale; the zero points are along() the axis, or null.
  mlir::Value withoutZeroPoint(mlir::Value quantized, mlir::Value zeroPoint, int axis, DType dtype);
  mlir::Value concat(llvm::ArrayRef<mlir::Value> values, int64_t axis);
  mlir::Value reduce(llvm::StringRef name, mlir::Value value, llvm::ArrayRef<int64_t> axes, bool keepDims = true);

  Exprs dims(mlir::Value value) const { return dimsOf(value.getType()); }
  mlir::OpBuilder& builder() { return builder_; }
  mlir::Location location() const { return op_.operation()->getLoc(); }

 private:
  mlir::OpBuilder& builder_;
  OpView op_;
};

}  // namespace shardwright
