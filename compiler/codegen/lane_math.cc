#include "compiler/codegen/lane_math.h"

#include <cmath>
#include <limits>

#include "llvm/IR/IntrinsicsX86.h"

namespace shardwright {

using llvm::ConstantFP;
using llvm::ConstantInt;
using llvm::Intrinsic::ID;

llvm::Type* LaneMath::lanesOf(Type* like, Type* scalar) {
  auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(like);
  return vector ? llvm::FixedVectorType::get(scalar, vector->getNumElements()) : scalar;
}

llvm::Type* LaneMath::intTypeOf(Value* x) {
  return lanesOf(x->getType(), b_.getIntNTy(x->getType()->getScalarSizeInBits()));
}

llvm::Value* LaneMath::num(Value* like, double value) { return ConstantFP::get(like->getType(), value); }
llvm::Value* LaneMath::intNum(Value* like, uint64_t value) { return ConstantInt::get(like->getType(), value); }
llvm::Value* LaneMath::bits(Value* x) { return b_.CreateBitCast(x, intTypeOf(x)); }
llvm::Value* LaneMath::fromBits(Value* x, Value* like) { return b_.CreateBitCast(x, like->getType()); }
llvm::Value* LaneMath::fabs(Value* x) { return b_.CreateUnaryIntrinsic(llvm::Intrinsic::fabs, x); }
llvm::Value* LaneMath::sqrt(Value* x) { return b_.CreateUnaryIntrinsic(llvm::Intrinsic::sqrt, x); }
llvm::Value* LaneMath::round(Value* x, ID how) { return b_.CreateUnaryIntrinsic(how, x); }
llvm::Value* LaneMath::isNaN(Value* x) { return b_.CreateFCmpUNO(x, x); }

llvm::Value* LaneMath::copySign(Value* magnitude, Value* sign) {
  return b_.CreateBinaryIntrinsic(llvm::Intrinsic::copysign, magnitude, sign);
}

llvm::Value* LaneMath::toDouble(Value* x) { return b_.CreateFPExt(x, lanesOf(x->getType(), b_.getDoubleTy())); }
llvm::Value* LaneMath::toFloat(Value* x) { return b_.CreateFPTrunc(x, lanesOf(x->getType(), b_.getFloatTy())); }

llvm::Value* LaneMath::any(Value* condition) {
  return condition->getType()->isVectorTy() ? b_.CreateOrReduce(condition) : condition;
}

llvm::Value* LaneMath::mulAdd(Value* x, Value* y, Value* z) {
  if (traits_.fusedMultiplyAdd) return b_.CreateIntrinsic(x->getType(), llvm::Intrinsic::fma, {x, y, z});
  return b_.CreateFAdd(b_.CreateFMul(x, y), z);
}

llvm::Value* LaneMath::minimum(Value* x, Value* y) {
  return b_.CreateSelect(isNaN(x), x, b_.CreateSelect(b_.CreateFCmpOLT(x, y), x, y));
}

llvm::Value* LaneMath::maximum(Value* x, Value* y) {
  return b_.CreateSelect(isNaN(x), x, b_.CreateSelect(b_.CreateFCmpOGT(x, y), x, y));
}

// Adding 1.5·2^(mantissa bits) leaves the rounded value in the low bits; unlike a conversion it is defined for NaN.
LaneMath::Rounded LaneMath::roundSmall(Value* x, double scale) {
  Value* magic = num(x, x->getType()->getScalarType()->isFloatTy() ? 0x1.8p23 : 0x1.8p52);
  Value* shifted = mulAdd(x, num(x, scale), magic);
  return {b_.CreateFSub(shifted, magic), b_.CreateSub(bits(shifted), bits(magic))};
}

llvm::Value* LaneMath::powerOfTwo(Value* n, Value* like) {
  bool isFloat = like->getType()->getScalarType()->isFloatTy();
  Value* biased = b_.CreateAdd(n, intNum(n, isFloat ? 127 : 1023));
  return fromBits(b_.CreateShl(biased, intNum(n, isFloat ? 23 : 52)), like);
}

llvm::Value* LaneMath::scaleByPowerOfTwo(Value* x, Value* n) {
  Value* half = b_.CreateAShr(n, intNum(n, 1));
  Value* rest = b_.CreateSub(n, half);
  return b_.CreateFMul(b_.CreateFMul(x, powerOfTwo(half, x)), powerOfTwo(rest, x));
}

llvm::Value* LaneMath::scaleByInstruction(Value* x, Value* n) {
  constexpr int kLanes = 16;
  constexpr int kRoundAsUsual = 4;
  auto* type = llvm::dyn_cast<llvm::FixedVectorType>(x->getType());
  if (!traits_.scaleInstruction || !type || type->getNumElements() % kLanes != 0 ||
      !type->getElementType()->isFloatTy()) {
    return nullptr;
  }
  auto* part = llvm::FixedVectorType::get(b_.getFloatTy(), kLanes);
  llvm::Value* result = llvm::PoisonValue::get(type);
  for (uint64_t first = 0; first < type->getNumElements(); first += kLanes) {
    Value* at = b_.getInt64(first);
    Value* piece = b_.CreateExtractVector(part, x, at);
    Value* scaled = b_.CreateIntrinsic(
        llvm::Intrinsic::x86_avx512_mask_scalef_ps_512, {},
        {piece, b_.CreateExtractVector(part, n, at), piece, b_.getInt16(0xffff), b_.getInt32(kRoundAsUsual)});
    result = b_.CreateInsertVector(type, result, scaled, at);
  }
  return result;
}

LaneMath::Log2Parts LaneMath::splitExponent(Value* x) {
  bool isFloat = x->getType()->getScalarType()->isFloatTy();
  int mantissaBits = isFloat ? 23 : 52;
  Value* denormal = b_.CreateFCmpOLT(x, num(x, isFloat ? 0x1p-126 : 0x1p-1022));
  Value* normal = b_.CreateSelect(denormal, b_.CreateFMul(x, num(x, isFloat ? 0x1p23 : 0x1p52)), x);
  Value* pattern = bits(normal);
  Value* rootHalf = intNum(pattern, isFloat ? 0x3f3504f3u : 0x3fe6a09e667f3bcdull);
  Value* shifted = b_.CreateSub(pattern, rootHalf);
  Value* exponent = b_.CreateAShr(shifted, intNum(pattern, mantissaBits));
  exponent = b_.CreateSub(exponent, b_.CreateSelect(denormal, intNum(pattern, mantissaBits), intNum(pattern, 0)));
  Value* low = b_.CreateAnd(shifted, intNum(pattern, (1ull << mantissaBits) - 1));
  Value* mantissa = fromBits(b_.CreateAdd(low, rootHalf), x);
  // As a float, without a conversion of 64-bit integers, which few targets have for vectors.
  Value* magic = num(x, isFloat ? 0x1.8p23 : 0x1.8p52);
  Value* asFloat = b_.CreateFSub(fromBits(b_.CreateAdd(exponent, bits(magic)), x), magic);
  return {asFloat, mantissa};
}

// What a logarithm is where its argument is not positive and finite.
llvm::Value* LaneMath::finishLog(Value* result, Value* x) {
  double infinity = std::numeric_limits<double>::infinity();
  Value* unusual = b_.CreateSelect(b_.CreateFCmpOEQ(x, num(x, 0)), num(x, -infinity), num(x, std::nan("")));
  result = b_.CreateSelect(b_.CreateFCmpOGT(x, num(x, 0)), result, unusual);
  return b_.CreateSelect(b_.CreateFCmpOEQ(x, num(x, infinity)), x, result);
}

// e = exp(-|x|) never overflows: 1 / (1 + e) for positive x, e / (1 + e) for negative.
llvm::Value* LaneMath::sigmoid(Value* x) {
  Value* exponential = unary(ScalarOp::kExp, b_.CreateFNeg(fabs(x)));
  Value* one = num(x, 1);
  Value* numerator = b_.CreateSelect(b_.CreateFCmpOGE(x, num(x, 0)), one, exponential);
  return b_.CreateFDiv(numerator, b_.CreateFAdd(one, exponential));
}

llvm::Value* LaneMath::unary(ScalarOp op, Value* x) {
  bool isFloat = x->getType()->getScalarType()->isFloatTy();
  switch (op) {
    case ScalarOp::kSqrt:
      return sqrt(x);
    case ScalarOp::kReciprocal:
      return b_.CreateFDiv(num(x, 1), x);
    case ScalarOp::kFloor:
      return round(x, llvm::Intrinsic::floor);
    case ScalarOp::kCeil:
      return round(x, llvm::Intrinsic::ceil);
    case ScalarOp::kRound:
      return round(x, llvm::Intrinsic::roundeven);
    case ScalarOp::kSigmoid:
      return sigmoid(x);
    case ScalarOp::kSin:
    case ScalarOp::kCos:
      return sinCos(op, x);
    case ScalarOp::kTan:
      return tan(x);
    case ScalarOp::kExp:
      return isFloat ? exp32(x) : exp64(x);
    case ScalarOp::kLog:
      return isFloat ? log32(x) : log64(x);
    case ScalarOp::kErf:
      return isFloat ? erf32(x) : erf64(x);
    case ScalarOp::kTanh:
      return isFloat ? tanh32(x) : tanh64(x);
    default:
      break;
  }
  // The rest is rare in models: float32 goes through float64.
  return isFloat ? toFloat(unary64(op, toDouble(x))) : unary64(op, x);
}

}  // namespace shardwright
