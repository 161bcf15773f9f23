#include "compiler/codegen/scalar_emitter.h"

#include <limits>

#include "compiler/codegen/scalar_op.h"

namespace shardwright {

using llvm::Constant;
using llvm::ConstantFP;
using llvm::ConstantInt;
using llvm::FixedVectorType;

llvm::Type* ScalarEmitter::sameLanes(Value* like, llvm::Type* scalar) {
  auto* vector = llvm::dyn_cast<FixedVectorType>(like->getType());
  return vector ? FixedVectorType::get(scalar, vector->getNumElements()) : scalar;
}

llvm::Value* ScalarEmitter::intConstant(Value* like, uint64_t value) {
  return ConstantInt::get(like->getType(), value);
}

llvm::Type* ScalarEmitter::heldLanes(DType type, int width) const {
  llvm::Type* scalar = nullptr;
  if (type == DType::kBool) {
    scalar = b.getInt1Ty();
  } else if (type == DType::kFloat64) {
    scalar = b.getDoubleTy();
  } else if (isFloat(type)) {
    scalar = b.getFloatTy();
  } else {
    scalar = b.getIntNTy(bitWidth(type));
  }
  return width == 1 ? scalar : FixedVectorType::get(scalar, width);
}

llvm::Type* ScalarEmitter::memoryLanes(DType type, int width) const {
  llvm::Type* scalar = heldLanes(type, 1);
  if (type == DType::kBool || isNarrowFloat(type)) scalar = b.getIntNTy(bitWidth(type));
  return width == 1 ? scalar : FixedVectorType::get(scalar, width);
}

llvm::Value* ScalarEmitter::constant(const ScalarNode& node, int width) {
  llvm::Type* type = heldLanes(node.dtype, width);
  if (node.dtype == DType::kBool) return ConstantInt::get(type, node.constant != 0 || node.integer != 0);
  if (!isFloat(node.dtype)) return ConstantInt::get(type, static_cast<uint64_t>(node.integer));
  double value = node.constant;
  if (node.dtype == DType::kFloat16) value = float16ToFloat(floatToFloat16(static_cast<float>(value)));
  if (node.dtype == DType::kBFloat16) value = bfloat16ToFloat(floatToBfloat16(static_cast<float>(value)));
  return ConstantFP::get(type, value);
}

llvm::Value* ScalarEmitter::operation(const ScalarNode& node, llvm::ArrayRef<Value*> inputs,
                                      llvm::ArrayRef<DType> inputTypes) {
  Value* result = nullptr;
  if (node.op == ScalarOp::kSelect) {
    result = b.CreateSelect(inputs[0], inputs[1], inputs[2]);
  } else if (inputs.size() == 1) {
    result = unary(node, inputs[0], inputTypes[0]);
  } else {
    std::optional<double> exponent;
    if (auto* vector = llvm::dyn_cast<Constant>(inputs[1]); vector && node.op == ScalarOp::kPow) {
      Constant* scalar = vector->getType()->isVectorTy() ? vector->getSplatValue() : vector;
      if (auto* known = llvm::dyn_cast_or_null<ConstantFP>(scalar)) {
        llvm::APFloat value = known->getValueAPF();
        bool lost = false;
        value.convert(llvm::APFloat::IEEEdouble(), llvm::APFloat::rmNearestTiesToEven, &lost);
        exponent = value.convertToDouble();
      }
    }
    result = binary(node, inputs[0], inputs[1], inputTypes[0], exponent);
  }
  return rounded(result, node.dtype);
}

llvm::Value* ScalarEmitter::sign(Value* x, DType type) {
  llvm::Type* lanes = x->getType();
  if (isFloat(type)) {
    Value* zero = ConstantFP::get(lanes, 0);  // x itself where neither: zeros and NaN
    Value* negative = b.CreateSelect(b.CreateFCmpOLT(x, zero), ConstantFP::get(lanes, -1), x);
    return b.CreateSelect(b.CreateFCmpOGT(x, zero), ConstantFP::get(lanes, 1), negative);
  }
  Value* nonZero = b.CreateZExt(b.CreateICmpNE(x, intConstant(x, 0)), lanes);
  if (!isSignedInteger(type)) return nonZero;
  return b.CreateSelect(b.CreateICmpSLT(x, intConstant(x, 0)), intConstant(x, ~0ull), nonZero);
}

llvm::Value* ScalarEmitter::unary(const ScalarNode& node, Value* x, DType from) {
  bool floating = isFloat(from);
  switch (node.op) {
    case ScalarOp::kNeg:
      return floating ? b.CreateFNeg(x) : b.CreateNeg(x);
    case ScalarOp::kAbs:
      if (floating) return b.CreateUnaryIntrinsic(llvm::Intrinsic::fabs, x);
      return isSignedInteger(from) ? b.CreateSelect(b.CreateICmpSLT(x, intConstant(x, 0)), b.CreateNeg(x), x) : x;
    case ScalarOp::kSign:
      return sign(x, from);
    case ScalarOp::kNot:
    case ScalarOp::kBitNot:
      return b.CreateNot(x);
    case ScalarOp::kIsNaN:
      return b.CreateFCmpUNO(x, x);
    case ScalarOp::kIsInf: {
      Value* magnitude = b.CreateUnaryIntrinsic(llvm::Intrinsic::fabs, x);
      return b.CreateFCmpOEQ(magnitude, ConstantFP::getInfinity(x->getType()));
    }
    case ScalarOp::kCast:
      return cast(x, from, node.dtype);
    case ScalarOp::kBitCast: {
      Value* raw = toMemory(x, from);
      return fromMemory(b.CreateBitCast(raw, sameLanes(x, memoryLanes(node.dtype, 1))), node.dtype);
    }
    default:
      return math_.unary(node.op, x);
  }
}

llvm::Value* ScalarEmitter::compare(ScalarOp op, Value* x, Value* y, DType type) {
  if (isFloat(type)) {
    switch (op) {
      case ScalarOp::kEqual:
        return b.CreateFCmpOEQ(x, y);
      case ScalarOp::kLess:
        return b.CreateFCmpOLT(x, y);
      case ScalarOp::kLessOrEqual:
        return b.CreateFCmpOLE(x, y);
      case ScalarOp::kGreater:
        return b.CreateFCmpOGT(x, y);
      default:
        return b.CreateFCmpOGE(x, y);
    }
  }
  bool isSigned = isSignedInteger(type);
  switch (op) {
    case ScalarOp::kEqual:
      return b.CreateICmpEQ(x, y);
    case ScalarOp::kLess:
      return isSigned ? b.CreateICmpSLT(x, y) : b.CreateICmpULT(x, y);
    case ScalarOp::kLessOrEqual:
      return isSigned ? b.CreateICmpSLE(x, y) : b.CreateICmpULE(x, y);
    case ScalarOp::kGreater:
      return isSigned ? b.CreateICmpSGT(x, y) : b.CreateICmpUGT(x, y);
    default:
      return isSigned ? b.CreateICmpSGE(x, y) : b.CreateICmpUGE(x, y);
  }
}

// The divisor is replaced where the instruction would trap. Vectors of up to 32 bits divide as doubles, which is exact.
llvm::Value* ScalarEmitter::divideIntegers(Value* x, Value* y, DType type) {
  bool isSigned = isSignedInteger(type);
  int width = bitWidth(type);
  Value *zero = intConstant(x, 0), *one = intConstant(x, 1);
  Value* byZero = b.CreateICmpEQ(y, zero);
  Value* unsafe = byZero;
  if (isSigned) {
    Value* least = intConstant(x, 1ull << (width - 1));
    unsafe = b.CreateOr(byZero, b.CreateAnd(b.CreateICmpEQ(x, least), b.CreateICmpEQ(y, intConstant(x, ~0ull))));
  }
  Value* divisor = b.CreateSelect(unsafe, one, y);
  Value* quotient = nullptr;
  if (x->getType()->isVectorTy() && width <= 32) {
    llvm::Type* doubles = sameLanes(x, b.getDoubleTy());
    auto widen = [&](Value* v) { return isSigned ? b.CreateSIToFP(v, doubles) : b.CreateUIToFP(v, doubles); };
    Value* ratio = b.CreateFDiv(widen(x), widen(divisor));
    quotient = isSigned ? b.CreateFPToSI(ratio, x->getType()) : b.CreateFPToUI(ratio, x->getType());
  } else {
    quotient = isSigned ? b.CreateSDiv(x, divisor) : b.CreateUDiv(x, divisor);
  }
  return b.CreateSelect(byZero, zero, quotient);
}

llvm::Value* ScalarEmitter::remainder(ScalarOp op, Value* x, Value* y, DType type) {
  bool ofDivisor = op == ScalarOp::kMod;
  if (isFloat(type)) {
    Value* rest = math_.fmod(x, y);
    if (!ofDivisor) return rest;
    Value* zero = ConstantFP::get(x->getType(), 0);
    Value* differ =
        b.CreateICmpSLT(b.CreateXor(b.CreateBitCast(rest, sameLanes(x, b.getIntNTy(bitWidth(heldType(type))))),
                                    b.CreateBitCast(y, sameLanes(x, b.getIntNTy(bitWidth(heldType(type)))))),
                        Constant::getNullValue(sameLanes(x, b.getIntNTy(bitWidth(heldType(type))))));
    Value* isZero = b.CreateFCmpOEQ(rest, zero);
    Value* moved = b.CreateSelect(differ, b.CreateFAdd(rest, y), rest);
    return b.CreateSelect(isZero, b.CreateBinaryIntrinsic(llvm::Intrinsic::copysign, zero, y), moved);
  }
  Value* zero = intConstant(x, 0);
  Value* rest = b.CreateSub(x, b.CreateMul(divideIntegers(x, y, type), y));
  rest = b.CreateSelect(b.CreateICmpEQ(y, zero), zero, rest);
  if (!ofDivisor || !isSignedInteger(type)) return rest;
  Value* differ = b.CreateAnd(b.CreateICmpSLT(b.CreateXor(rest, y), zero), b.CreateICmpNE(rest, zero));
  return b.CreateSelect(differ, b.CreateAdd(rest, y), rest);
}

llvm::Value* ScalarEmitter::shift(ScalarOp op, Value* x, Value* y, DType type) {
  Value* last = intConstant(y, bitWidth(type) - 1);
  Value* tooFar = b.CreateICmpUGT(y, last);
  Value* amount = b.CreateSelect(tooFar, last, y);
  if (op == ScalarOp::kShiftRight && isSignedInteger(type)) return b.CreateAShr(x, amount);
  Value* shifted = op == ScalarOp::kShiftRight ? b.CreateLShr(x, amount) : b.CreateShl(x, amount);
  return b.CreateSelect(tooFar, intConstant(x, 0), shifted);
}

llvm::Value* ScalarEmitter::binary(const ScalarNode& node, Value* x, Value* y, DType type,
                                   std::optional<double> constantExponent) {
  bool floating = isFloat(type);
  bool isSigned = isSignedInteger(type);
  switch (node.op) {
    case ScalarOp::kAdd:
      return floating ? b.CreateFAdd(x, y) : b.CreateAdd(x, y);
    case ScalarOp::kSub:
      return floating ? b.CreateFSub(x, y) : b.CreateSub(x, y);
    case ScalarOp::kMul:
      return floating ? b.CreateFMul(x, y) : b.CreateMul(x, y);
    case ScalarOp::kDiv:
      return floating ? b.CreateFDiv(x, y) : divideIntegers(x, y, type);
    case ScalarOp::kFMod:
    case ScalarOp::kMod:
      return remainder(node.op, x, y, type);
    case ScalarOp::kPow:
      if (!floating) return math_.integerPow(x, y, isSigned);
      return constantExponent ? math_.powConstant(x, *constantExponent) : math_.pow(x, y);
    case ScalarOp::kMin:
      if (floating) return math_.minimum(x, y);
      return b.CreateSelect(compare(ScalarOp::kLess, x, y, type), x, y);
    case ScalarOp::kMax:
      if (floating) return math_.maximum(x, y);
      return b.CreateSelect(compare(ScalarOp::kGreater, x, y, type), x, y);
    case ScalarOp::kAnd:
    case ScalarOp::kBitAnd:
      return b.CreateAnd(x, y);
    case ScalarOp::kOr:
    case ScalarOp::kBitOr:
      return b.CreateOr(x, y);
    case ScalarOp::kXor:
    case ScalarOp::kBitXor:
      return b.CreateXor(x, y);
    case ScalarOp::kShiftLeft:
    case ScalarOp::kShiftRight:
      return shift(node.op, x, y, type);
    default:
      return compare(node.op, x, y, type);
  }
}

llvm::Value* ScalarEmitter::identity(Reduction::Kind kind, DType type, int width) {
  llvm::Type* lanes = heldLanes(type, width);
  bool least = kind == Reduction::Kind::kMax;
  switch (kind) {
    case Reduction::Kind::kSum:
    case Reduction::Kind::kOr:
      return Constant::getNullValue(lanes);
    case Reduction::Kind::kAnd:
      return Constant::getAllOnesValue(lanes);
    case Reduction::Kind::kProd:
      return isFloat(type) ? ConstantFP::get(lanes, 1) : ConstantInt::get(lanes, 1);
    default:
      break;
  }
  if (isFloat(type)) return ConstantFP::getInfinity(lanes, /*Negative=*/least);
  int bits = bitWidth(type);
  llvm::APInt end = isSignedInteger(type)
                        ? (least ? llvm::APInt::getSignedMinValue(bits) : llvm::APInt::getSignedMaxValue(bits))
                        : (least ? llvm::APInt::getMinValue(bits) : llvm::APInt::getMaxValue(bits));
  return ConstantInt::get(lanes, end);
}

llvm::Value* ScalarEmitter::combine(Reduction::Kind kind, DType type, Value* total, Value* value) {
  ScalarNode node;
  node.dtype = heldType(type);
  switch (kind) {
    case Reduction::Kind::kSum:
      node.op = ScalarOp::kAdd;
      break;
    case Reduction::Kind::kProd:
      node.op = ScalarOp::kMul;
      break;
    case Reduction::Kind::kMax:
      node.op = ScalarOp::kMax;
      break;
    case Reduction::Kind::kMin:
      node.op = ScalarOp::kMin;
      break;
    case Reduction::Kind::kAnd:
      node.op = ScalarOp::kAnd;
      break;
    case Reduction::Kind::kOr:
      node.op = ScalarOp::kOr;
      break;
  }
  return binary(node, total, value, node.dtype, std::nullopt);
}

}  // namespace shardwright
