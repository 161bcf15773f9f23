#include "compiler/dist/tensor_type.h"

#include "mlir/AsmParser/AsmParser.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/TypeUtilities.h"

namespace shardwright {
namespace {

// The onnx dialect owns the type of strings; it is found by its name, since this folder lies below no other dialect's.
constexpr llvm::StringLiteral kStringType = "onnx.string";

DType integerDType(mlir::IntegerType type) {
  bool isUnsigned = type.isUnsigned();
  switch (type.getWidth()) {
    case 1:
      return DType::kBool;
    case 4:
      return isUnsigned ? DType::kUint4 : DType::kInt4;
    case 8:
      return isUnsigned ? DType::kUint8 : DType::kInt8;
    case 16:
      return isUnsigned ? DType::kUint16 : DType::kInt16;
    case 32:
      return isUnsigned ? DType::kUint32 : DType::kInt32;
    case 64:
      return isUnsigned ? DType::kUint64 : DType::kInt64;
    default:
      return DType::kUndefined;
  }
}

}  // namespace

mlir::RankedTensorType tensorType(llvm::ArrayRef<Expr> dims, mlir::Type element) {
  llvm::SmallVector<int64_t> shape;
  bool isConstant = true;
  for (Expr dim : dims) {
    shape.push_back(dim.constant().value_or(mlir::ShapedType::kDynamic));
    isConstant &= dim.isConstant();
  }
  mlir::Attribute encoding = isConstant ? mlir::Attribute() : exprsAttr(element.getContext(), dims);
  return mlir::RankedTensorType::get(shape, element, encoding);
}

mlir::RankedTensorType tensorType(mlir::MLIRContext* context, llvm::ArrayRef<Expr> dims, DType dtype) {
  return tensorType(dims, elementType(context, dtype));
}

Exprs dimsOf(mlir::Type type) {
  auto tensor = llvm::cast<mlir::RankedTensorType>(type);
  if (isExprsAttr(tensor.getEncoding())) {
    llvm::ArrayRef<Expr> exprs = exprsOf(tensor.getEncoding());
    return Exprs(exprs.begin(), exprs.end());
  }
  assert(tensor.hasStaticShape() && "a dynamic dim without an expression");
  return Exprs(tensor.getShape().begin(), tensor.getShape().end());
}

DType dtypeOf(mlir::Type type) {
  type = mlir::getElementTypeOrSelf(type);
  if (auto integer = llvm::dyn_cast<mlir::IntegerType>(type)) return integerDType(integer);
  if (auto complex = llvm::dyn_cast<mlir::ComplexType>(type))
    return complex.getElementType().isF64() ? DType::kComplex128 : DType::kComplex64;
  if (type.isF32()) return DType::kFloat32;
  if (type.isF64()) return DType::kFloat64;
  if (type.isF16()) return DType::kFloat16;
  if (type.isBF16()) return DType::kBFloat16;
  if (type.isFloat8E4M3FN()) return DType::kFloat8E4M3FN;
  if (type.isFloat8E4M3FNUZ()) return DType::kFloat8E4M3FNUZ;
  if (type.isFloat8E5M2()) return DType::kFloat8E5M2;
  if (type.isFloat8E5M2FNUZ()) return DType::kFloat8E5M2FNUZ;
  if (type.getAbstractType().getName() == kStringType) return DType::kString;
  return DType::kUndefined;
}

mlir::Type elementType(mlir::MLIRContext* context, DType dtype) {
  mlir::Builder b(context);
  auto unsignedType = [&](unsigned width) { return b.getIntegerType(width, /*isSigned=*/false); };
  switch (dtype) {
    case DType::kFloat32:
      return b.getF32Type();
    case DType::kFloat64:
      return b.getF64Type();
    case DType::kFloat16:
      return b.getF16Type();
    case DType::kBFloat16:
      return b.getBF16Type();
    case DType::kBool:
      return b.getI1Type();
    case DType::kInt4:
      return b.getIntegerType(4);
    case DType::kInt8:
      return b.getI8Type();
    case DType::kInt16:
      return b.getIntegerType(16);
    case DType::kInt32:
      return b.getI32Type();
    case DType::kInt64:
      return b.getI64Type();
    case DType::kUint4:
      return unsignedType(4);
    case DType::kUint8:
      return unsignedType(8);
    case DType::kUint16:
      return unsignedType(16);
    case DType::kUint32:
      return unsignedType(32);
    case DType::kUint64:
      return unsignedType(64);
    case DType::kComplex64:
      return mlir::ComplexType::get(b.getF32Type());
    case DType::kComplex128:
      return mlir::ComplexType::get(b.getF64Type());
    case DType::kFloat8E4M3FN:
      return b.getFloat8E4M3FNType();
    case DType::kFloat8E4M3FNUZ:
      return b.getFloat8E4M3FNUZType();
    case DType::kFloat8E5M2:
      return b.getFloat8E5M2Type();
    case DType::kFloat8E5M2FNUZ:
      return b.getFloat8E5M2FNUZType();
    case DType::kString:
      return mlir::parseType("!onnx.string", context);
    default:
      return {};
  }
}

}  // namespace shardwright
