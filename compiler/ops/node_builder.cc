#include "compiler/ops/node_builder.h"

#include "compiler/onnx/onnx_dialect.h"
#include "compiler/ops/row_op.h"
#include "compiler/ops/shape_functions.h"
#include "compiler/ops/static_operands.h"
#include "llvm/Support/ErrorHandling.h"

namespace shardwright {

std::vector<mlir::Value> NodeBuilder::nodes(llvm::StringRef name, int numResults, llvm::ArrayRef<mlir::Value> operands,
                                            llvm::ArrayRef<Attr> attrs) {
  const Row* row = findRow("", name);
  assert(row && "an expansion uses an op without a row");
  mlir::OperationState state(op_.operation()->getLoc(), irName("", name));
  for (mlir::Value operand : operands) state.addOperands(operand ? operand : none());
  for (const Attr& attr : attrs) state.addAttribute(attr.first, attr.second);
  state.types.assign(numResults, builder_.getNoneType());
  mlir::Operation* node = builder_.create(state);
  llvm::SmallVector<TensorShape> shapes;
  const Status status = inferResults(OpView(node, op_.facts()), *row, shapes);
  if (!status.ok()) llvm::report_fatal_error(llvm::Twine("internal error: expansion: ") + status.message());
  for (int i = 0; i < numResults; ++i)
    node->getResult(i).setType(tensorType(builder_.getContext(), shapes[i].dims, shapes[i].dtype));
  foldStaticOperands(builder_, node, *row, op_.facts());
  return {node->result_begin(), node->result_end()};
}

mlir::Value NodeBuilder::node(llvm::StringRef name, llvm::ArrayRef<mlir::Value> operands, llvm::ArrayRef<Attr> attrs) {
  return nodes(name, 1, operands, attrs).front();
}

mlir::Value NodeBuilder::none() { return builder_.create<NoneOp>(op_.operation()->getLoc())->getResult(0); }

mlir::Value NodeBuilder::scalar(double value, DType dtype) {
  const mlir::Type element = elementType(builder_.getContext(), dtype);
  mlir::Attribute attr;
  if (auto floatType = mlir::dyn_cast<mlir::FloatType>(element)) {
    attr = mlir::FloatAttr::get(floatType, value);
  } else {
    attr = mlir::IntegerAttr::get(element, static_cast<int64_t>(value));
  }
  auto type = mlir::RankedTensorType::get({}, element);
  return builder_.create<ConstantOp>(op_.operation()->getLoc(), mlir::DenseElementsAttr::get(type, attr))->getResult(0);
}

mlir::Value NodeBuilder::ints(llvm::ArrayRef<int64_t> values) {
  auto type = mlir::RankedTensorType::get({static_cast<int64_t>(values.size())}, builder_.getI64Type());
  return builder_.create<ConstantOp>(op_.operation()->getLoc(), mlir::DenseElementsAttr::get(type, values))
      ->getResult(0);
}

mlir::Value NodeBuilder::exprs(llvm::ArrayRef<Expr> values) {
  auto type = mlir::RankedTensorType::get({static_cast<int64_t>(values.size())}, builder_.getI64Type());
  return builder_.create<ShapeValueOp>(op_.operation()->getLoc(), type, values)->getResult(0);
}

mlir::Value NodeBuilder::expr(Expr value) {
  auto type = mlir::RankedTensorType::get({}, builder_.getI64Type());
  return builder_.create<ShapeValueOp>(op_.operation()->getLoc(), type, value)->getResult(0);
}

mlir::Value NodeBuilder::cast(mlir::Value value, DType dtype) {
  if (dtypeOf(value.getType()) == dtype) return value;
  return node("Cast", {value}, {{"to", intAttr(static_cast<int64_t>(dtype))}});
}

mlir::Value NodeBuilder::reshape(mlir::Value value, llvm::ArrayRef<Expr> dims) {
  return node("Reshape", {value, exprs(dims)}, {{"allowzero", intAttr(1)}});
}

mlir::Value NodeBuilder::transpose(mlir::Value value, llvm::ArrayRef<int64_t> permutation) {
  return node("Transpose", {value}, {{"perm", intsAttr(permutation)}});
}

mlir::Value NodeBuilder::expand(mlir::Value value, llvm::ArrayRef<Expr> dims) {
  return node("Expand", {value, exprs(dims)});
}

mlir::Value NodeBuilder::slice(mlir::Value value, int64_t axis, Expr start, Expr end) {
  return node("Slice", {value, exprs({start}), exprs({end}), ints({axis})});
}

mlir::Value NodeBuilder::along(mlir::Value numbers, int axis, int rank) {
  const Exprs from = dims(numbers);
  if (from.size() != 1) return numbers;
  if (from[0] == Expr(1)) return reshape(numbers, {});
  Exprs to(rank, Expr(1));
  to[axis] = from[0];
  return reshape(numbers, to);
}

mlir::Value NodeBuilder::withoutZeroPoint(mlir::Value quantized, mlir::Value zeroPoint, int axis, DType dtype) {
  mlir::Value x = cast(quantized, dtype);
  return zeroPoint ? sub(x, along(cast(zeroPoint, dtype), axis, static_cast<int>(dims(x).size()))) : x;
}

mlir::Value NodeBuilder::concat(llvm::ArrayRef<mlir::Value> values, int64_t axis) {
  return node("Concat", values, {{"axis", intAttr(axis)}});
}

mlir::Value NodeBuilder::reduce(llvm::StringRef name, mlir::Value value, llvm::ArrayRef<int64_t> axes, bool keepDims) {
  return node(name, {value, ints(axes)}, {{"keepdims", intAttr(keepDims)}});
}

}  // namespace shardwright
