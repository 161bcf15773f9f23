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
    scalar = b_.getInt1Ty();
  } else if (type == DType::kFloat64) {
    scalar = b_.getDoubleTy();
  } else if (isFloat(type)) {
    scalar = b_.getFloatTy();
  } else {
    scalar = b_.getIntNTy(bitWidth(type));
  }
  return width == 1 ? scalar : FixedVectorType::get(scalar, width);
}

llvm::Type* ScalarEmitter::memoryLanes(DType type, int width) const {
  llvm::Type* scalar = heldLanes(type, 1);
  if (type == DType::kBool || isNarrowFloat(type)) scalar = b_.getIntNTy(bitWidth(type));
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
    result = b_.CreateSelect(inputs[0], inputs[1], inputs[2]);
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
    Value* negative = b_.CreateSelect(b_.CreateFCmpOLT(x, zero), ConstantFP::get(lanes, -1), x);
    return b_.CreateSelect(b_.CreateFCmpOGT(x, zero), ConstantFP::get(lanes, 1), negative);
  }
  Value* nonZero = b_.CreateZExt(b_.CreateICmpNE(x, intConstant(x, 0)), lanes);
  if (!isSignedInteger(type)) return nonZero;
  return b_.CreateSelect(b_.CreateICmpSLT(x, intConstant(x, 0)), intConstant(x, ~0ull), nonZero);
}

llvm::Value* ScalarEmitter::unary(const ScalarNode& node, Value* x, DType from) {
  bool floating = isFloat(from);
  switch (node.op) {
    case ScalarOp::kNeg:
      return floating ? b_.CreateFNeg(x) : b_.CreateNeg(x);
    case ScalarOp::kAbs:
      if (floating) return b_.CreateUnaryIntrinsic(llvm::Intrinsic::fabs, x);
      return isSignedInteger(from) ? b_.CreateSelect(b_.CreateICmpSLT(x, intConstant(x, 0)), b_.CreateNeg(x), x) : x;
    case ScalarOp::kSign:
      return sign(x, from);
    case ScalarOp::kNot:
    case ScalarOp::kBitNot:
      return b_.CreateNot(x);
    case ScalarOp::kIsNaN:
      return b_.CreateFCmpUNO(x, x);
    case ScalarOp::kIsInf: {
      Value* magnitude = b_.CreateUnaryIntrinsic(llvm::Intrinsic::fabs, x);
      return b_.CreateFCmpOEQ(magnitude, ConstantFP::getInfinity(x->getType()));
    }
    case ScalarOp::kCast:
      return cast(x, from, node.dtype);
    case ScalarOp::kBitCast: {
      Value* raw = toMemory(x, from);
      return fromMemory(b_.CreateBitCast(raw, sameLanes(x, memoryLanes(node.dtype, 1))), node.dtype);
    }
    default:
      return math_.unary(node.op, x);
  }
}

llvm::Value* ScalarEmitter::compare(ScalarOp op, Value* x, Value* y, DType type) {
  if (isFloat(type)) {
    switch (op) {
      case ScalarOp::kEqual:
        return b_.CreateFCmpOEQ(x, y);
      case ScalarOp::kLess:
        return b_.CreateFCmpOLT(x, y);
      case ScalarOp::kLessOrEqual:
        return b_.CreateFCmpOLE(x, y);
      case ScalarOp::kGreater:
        return b_.CreateFCmpOGT(x, y);
      default:
        return b_.CreateFCmpOGE(x, y);
    }
  }
  bool isSigned = isSignedInteger(type);
  switch (op) {
    case ScalarOp::kEqual:
      return b_.CreateICmpEQ(x, y);
    case ScalarOp::kLess:
      return isSigned ? b_.CreateICmpSLT(x, y) : b_.CreateICmpULT(x, y);
    case ScalarOp::kLessOrEqual:
      return isSigned ? b_.CreateICmpSLE(x, y) : b_.CreateICmpULE(x, y);
    case ScalarOp::kGreater:
      return isSigned ? b_.CreateICmpSGT(x, y) : b_.CreateICmpUGT(x, y);
    default:
      return isSigned ? b_.CreateICmpSGE(x, y) : b_.CreateICmpUGE(x, y);
  }
}

// The divisor is replaced where the instruction would trap. Vectors of up to 32 bits divide as doubles, which is exact.
llvm::Value* ScalarEmitter::divideIntegers(Value* x, Value* y, DType type) {
  bool isSigned = isSignedInteger(type);
  int width = bitWidth(type);
  Value *zero = intConstant(x, 0), *one = intConstant(x, 1);
  Value* byZero = b_.CreateICmpEQ(y, zero);
  Value* unsafe = byZero;
  if (isSigned) {
    Value* least = intConstant(x, 1ull << (width - 1));
    unsafe = b_.CreateOr(byZero, b_.CreateAnd(b_.CreateICmpEQ(x, least), b_.CreateICmpEQ(y, intConstant(x, ~0ull))));
  }
  Value* divisor = b_.CreateSelect(unsafe, one, y);
  Value* quotient = nullptr;
  if (x->getType()->isVectorTy() && width <= 32) {
    llvm::Type* doubles = sameLanes(x, b_.getDoubleTy());
    auto widen = [&](Value* v) { return isSigned ? b_.CreateSIToFP(v, doubles) : b_.CreateUIToFP(v, doubles); };
    Value* ratio = b_.CreateFDiv(widen(x), widen(divisor));
    quotient = isSigned ? b_.CreateFPToSI(ratio, x->getType()) : b_.CreateFPToUI(ratio, x->getType());
  } else {
    quotient = isSigned ? b_.CreateSDiv(x, divisor) : b_.CreateUDiv(x, divisor);
  }
  return b_.CreateSelect(byZero, zero, quotient);
}

llvm::Value* ScalarEmitter::remainder(ScalarOp op, Value* x, Value* y, DType type) {
  bool ofDivisor = op == ScalarOp::kMod;
  if (isFloat(type)) {
    Value* rest = math_.fmod(x, y);
    if (!ofDivisor) return rest;
    Value* zero = ConstantFP::get(x->getType(), 0);
    Value* differ =
        b_.CreateICmpSLT(b_.CreateXor(b_.CreateBitCast(rest, sameLanes(x, b_.getIntNTy(bitWidth(heldType(type))))),
                                      b_.CreateBitCast(y, sameLanes(x, b_.getIntNTy(bitWidth(heldType(type)))))),
                         Constant::getNullValue(sameLanes(x, b_.getIntNTy(bitWidth(heldType(type))))));
    Value* isZero = b_.CreateFCmpOEQ(rest, zero);
    Value* moved = b_.CreateSelect(differ, b_.CreateFAdd(rest, y), rest);
    return b_.CreateSelect(isZero, b_.CreateBinaryIntrinsic(llvm::Intrinsic::copysign, zero, y), moved);
  }
  Value* zero = intConstant(x, 0);
  Value* rest = b_.CreateSub(x, b_.CreateMul(divideIntegers(x, y, type), y));
  rest = b_.CreateSelect(b_.CreateICmpEQ(y, zero), zero, rest);
  if (!ofDivisor || !isSignedInteger(type)) return rest;
  Value* differ = b_.CreateAnd(b_.CreateICmpSLT(b_.CreateXor(rest, y), zero), b_.CreateICmpNE(rest, zero));
  return b_.CreateSelect(differ, b_.CreateAdd(rest, y), rest);
}

llvm::Value* ScalarEmitter::shift(ScalarOp op, Value* x, Value* y, DType type) {
  Value* last = intConstant(y, bitWidth(type) - 1);
  Value* tooFar = b_.CreateICmpUGT(y, last);
  Value* amount = b_.CreateSelect(tooFar, last, y);
  if (op == ScalarOp::kShiftRight && isSignedInteger(type)) return b_.CreateAShr(x, amount);
  Value* shifted = op == ScalarOp::kShiftRight ? b_.CreateLShr(x, amount) : b_.CreateShl(x, amount);
  return b_.CreateSelect(tooFar, intConstant(x, 0), shifted);
}

llvm::Value* ScalarEmitter::binary(const ScalarNode& node, Value* x, Value* y, DType type,
                                   std::optional<double> constantExponent) {
  bool floating = isFloat(type);
  bool isSigned = isSignedInteger(type);
  switch (node.op) {
    case ScalarOp::kAdd:
      return floating ? b_.CreateFAdd(x, y) : b_.CreateAdd(x, y);
    case ScalarOp::kSub:
      return floating ? b_.CreateFSub(x, y) : b_.CreateSub(x, y);
    case ScalarOp::kMul:
      return floating ? b_.CreateFMul(x, y) : b_.CreateMul(x, y);
    case ScalarOp::kDiv:
      return floating ? b_.CreateFDiv(x, y) : divideIntegers(x, y, type);
    case ScalarOp::kFMod:
    case ScalarOp::kMod:
      return remainder(node.op, x, y, type);
    case ScalarOp::kPow:
      if (!floating) return math_.integerPow(x, y, isSigned);
      return constantExponent ? math_.powConstant(x, *constantExponent) : math_.pow(x, y);
    case ScalarOp::kMin:
      if (floating) return math_.minimum(x, y);
      return b_.CreateSelect(compare(ScalarOp::kLess, x, y, type), x, y);
    case ScalarOp::kMax:
      if (floating) return math_.maximum(x, y);
      return b_.CreateSelect(compare(ScalarOp::kGreater, x, y, type), x, y);
    case ScalarOp::kAnd:
    case ScalarOp::kBitAnd:
      return b_.CreateAnd(x, y);
    case ScalarOp::kOr:
    case ScalarOp::kBitOr:
      return b_.CreateOr(x, y);
    case ScalarOp::kXor:
    case ScalarOp::kBitXor:
      return b_.CreateXor(x, y);
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
