#include "compiler/onnx/onnx_dialect.h"

#include "compiler/dist/tensor_type.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"

namespace shardwright {

OnnxDialect::OnnxDialect(mlir::MLIRContext* context)
    : mlir::Dialect(getDialectNamespace(), context, mlir::TypeID::get<OnnxDialect>()) {
  addOperations<NoneOp, ConstantOp, WeightOp, ShapeValueOp>();
  // A model may hold ops that nobody described; type inference replaces them by their function bodies or reports them all.
  allowUnknownOperations();
}

namespace {

template <typename AttrType>
AttrType attrOf(mlir::Operation* op, llvm::StringRef name) {
  return op->getAttrOfType<AttrType>(name);
}

}  // namespace

void NoneOp::build(mlir::OpBuilder& builder, mlir::OperationState& state) { state.addTypes(builder.getNoneType()); }

mlir::LogicalResult NoneOp::verify() {
  if (mlir::isa<mlir::NoneType>(getOperation()->getResult(0).getType())) return mlir::success();
  return emitOpError("must have the type none");
}

llvm::ArrayRef<llvm::StringRef> ConstantOp::getAttributeNames() {
  static const llvm::StringRef kNames[] = {"value"};
  return kNames;
}

void ConstantOp::build(mlir::OpBuilder& builder, mlir::OperationState& state, mlir::DenseElementsAttr value) {
  state.addAttribute("value", value);
  llvm::SmallVector<Expr> dims(value.getType().getShape().begin(), value.getType().getShape().end());
  state.addTypes(tensorType(dims, value.getElementType()));
  (void)builder;
}

mlir::DenseElementsAttr ConstantOp::value() { return attrOf<mlir::DenseElementsAttr>(*this, "value"); }

mlir::LogicalResult ConstantOp::verify() {
  auto attr = value();
  if (!attr) return emitOpError("needs the attribute value = dense<…>");
  auto type = mlir::dyn_cast<mlir::RankedTensorType>(getOperation()->getResult(0).getType());
  if (!type || type.getShape() != attr.getType().getShape() || type.getElementType() != attr.getElementType())
    return emitOpError("has a value of type ") << attr.getType() << ", which is not that of its result";
  return mlir::success();
}

llvm::ArrayRef<llvm::StringRef> WeightOp::getAttributeNames() {
  static const llvm::StringRef kNames[] = {"name", "location", "offset", "length", "whole", "begin"};
  return kNames;
}

void WeightOp::build(mlir::OpBuilder& builder, mlir::OperationState& state, mlir::Type type, llvm::StringRef name,
                     llvm::StringRef location, int64_t offset, int64_t length) {
  state.addAttribute("name", builder.getStringAttr(name));
  state.addAttribute("location", builder.getStringAttr(location));
  state.addAttribute("offset", builder.getI64IntegerAttr(offset));
  state.addAttribute("length", builder.getI64IntegerAttr(length));
  state.addTypes(type);
}

llvm::StringRef WeightOp::name() { return attrOf<mlir::StringAttr>(*this, "name").getValue(); }
llvm::StringRef WeightOp::location() { return attrOf<mlir::StringAttr>(*this, "location").getValue(); }
int64_t WeightOp::offset() { return attrOf<mlir::IntegerAttr>(*this, "offset").getInt(); }
int64_t WeightOp::length() { return attrOf<mlir::IntegerAttr>(*this, "length").getInt(); }

llvm::ArrayRef<int64_t> WeightOp::whole() {
  auto attr = attrOf<mlir::DenseI64ArrayAttr>(*this, "whole");
  return attr ? attr.asArrayRef() : llvm::ArrayRef<int64_t>();
}
llvm::ArrayRef<int64_t> WeightOp::begin() {
  auto attr = attrOf<mlir::DenseI64ArrayAttr>(*this, "begin");
  return attr ? attr.asArrayRef() : llvm::ArrayRef<int64_t>();
}

mlir::LogicalResult WeightOp::verify() {
  for (llvm::StringRef name : {"name", "location"})
    if (!attrOf<mlir::StringAttr>(*this, name)) return emitOpError("needs the string attribute ") << name;
  for (llvm::StringRef name : {"offset", "length"}) {
    auto attr = attrOf<mlir::IntegerAttr>(*this, name);
    if (!attr || attr.getInt() < 0) return emitOpError("needs the non-negative integer attribute ") << name;
  }
  // After partitioning the result is this rank's part of the bytes.
  if (getOperation()->hasAttr("dist.global")) return mlir::success();
  auto type = mlir::dyn_cast<mlir::RankedTensorType>(getOperation()->getResult(0).getType());
  // A shard of the weight: its type is local.
  if (type && getOperation()->hasAttr("dist.global")) return mlir::success();
  if (!type || !type.hasStaticShape()) return emitOpError("needs a result of constant sizes");
  int64_t count = type.getNumElements();
  if (getOperation()->hasAttr("whole") || getOperation()->hasAttr("begin")) {
    const llvm::ArrayRef<int64_t> all = whole(), from = begin(), dims = type.getShape();
    if (all.size() != dims.size() || from.size() != dims.size())
      return emitOpError("is a window, and needs one number of begin and of whole per dim");
    count = 1;
    for (size_t i = 0; i < dims.size(); ++i) {
      if (from[i] < 0 || dims[i] > all[i] - from[i])
        return emitOpError("has a window that leaves the tensor in dim ") << i;
      count *= all[i];
    }
  }
  const int64_t bytes = byteSize(dtypeOf(type), count);
  if (bytes != length())
    return emitOpError("has ") << length() << " bytes, and its type " << type << " needs " << bytes;
  return mlir::success();
}

llvm::ArrayRef<llvm::StringRef> ShapeValueOp::getAttributeNames() {
  static const llvm::StringRef kNames[] = {"exprs"};
  return kNames;
}

void ShapeValueOp::build(mlir::OpBuilder& builder, mlir::OperationState& state, mlir::Type type,
                         llvm::ArrayRef<Expr> exprs) {
  state.addAttribute("exprs", exprsAttr(builder.getContext(), exprs));
  state.addTypes(type);
}

llvm::ArrayRef<Expr> ShapeValueOp::exprs() { return exprsOf(getOperation()->getAttr("exprs")); }

mlir::LogicalResult ShapeValueOp::verify() {
  mlir::Attribute attr = getOperation()->getAttr("exprs");
  if (!attr || !isExprsAttr(attr)) return emitOpError("needs the attribute exprs = #dist.exprs<[…]>");
  auto type = mlir::dyn_cast<mlir::RankedTensorType>(getOperation()->getResult(0).getType());
  if (!type || !type.getElementType().isSignlessInteger() || !type.hasStaticShape() ||
      type.getNumElements() != static_cast<int64_t>(exprs().size()))
    return emitOpError("needs an integer result of constant sizes with one element per expression");
  return mlir::success();
}

}  // namespace shardwright
