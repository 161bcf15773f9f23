// How values are held, loaded and stored, and the casts between types.
#include "compiler/codegen/scalar_emitter.h"
#include "compiler/codegen/scalar_op.h"

namespace shardwright {

using llvm::ConstantFP;

// Keeps LLVM from moving operations over a conversion: as operations on half they would become calls.
llvm::Value* ScalarEmitter::fenced(Value* held) {
  return b_.CreateUnaryIntrinsic(llvm::Intrinsic::arithmetic_fence, held);
}

// Without instructions: the exponent and mantissa moved into a float's place and scaled by 2^112, which also makes denormals
// normal; the exponent of infinities and NaNs is filled up.
llvm::Value* ScalarEmitter::halfToFloat(Value* raw) {
  llvm::Type* floats = sameLanes(raw, b_.getFloatTy());
  if (traits_.halfConversions) {
    return fenced(b_.CreateFPExt(b_.CreateBitCast(raw, sameLanes(raw, b_.getHalfTy())), floats));
  }
  Value* wide = b_.CreateZExt(raw, sameLanes(raw, b_.getInt32Ty()));
  Value* magnitude = b_.CreateShl(b_.CreateAnd(wide, intConstant(wide, 0x7fff)), intConstant(wide, 13));
  Value* scaled = b_.CreateFMul(b_.CreateBitCast(magnitude, floats), ConstantFP::get(floats, 0x1p112));
  Value* special = b_.CreateICmpUGE(magnitude, intConstant(wide, 0x7c00u << 13));
  Value* filled = b_.CreateOr(magnitude, intConstant(wide, 0x7f800000));
  Value* result = b_.CreateSelect(special, filled, b_.CreateBitCast(scaled, wide->getType()));
  Value* sign = b_.CreateShl(b_.CreateAnd(wide, intConstant(wide, 0x8000)), intConstant(wide, 16));
  return b_.CreateBitCast(b_.CreateOr(result, sign), floats);
}

// Without instructions: normal results by rounding bits, denormal ones by adding 1/2, whose last bit weighs as much as theirs.
llvm::Value* ScalarEmitter::floatToHalf(Value* held) {
  llvm::Type* shorts = sameLanes(held, b_.getInt16Ty());
  if (traits_.halfConversions) {
    return b_.CreateBitCast(b_.CreateFPTrunc(fenced(held), sameLanes(held, b_.getHalfTy())), shorts);
  }
  Value* pattern = b_.CreateBitCast(held, sameLanes(held, b_.getInt32Ty()));
  Value* magnitude = b_.CreateAnd(pattern, intConstant(pattern, 0x7fffffff));
  Value* last = b_.CreateAnd(b_.CreateLShr(magnitude, intConstant(pattern, 13)), intConstant(pattern, 1));
  Value* nudged = b_.CreateAdd(b_.CreateAdd(magnitude, intConstant(pattern, 0xfff)), last);
  Value* normal = b_.CreateSub(b_.CreateLShr(nudged, intConstant(pattern, 13)), intConstant(pattern, 112u << 10));
  Value* half = ConstantFP::get(held->getType(), 0.5);
  Value* aligned = b_.CreateFAdd(b_.CreateBitCast(magnitude, held->getType()), half);
  Value* denormal =
      b_.CreateSub(b_.CreateBitCast(aligned, pattern->getType()), b_.CreateBitCast(half, pattern->getType()));
  Value* result = b_.CreateSelect(b_.CreateICmpULT(magnitude, intConstant(pattern, 0x38800000)), denormal, normal);
  result = b_.CreateSelect(b_.CreateICmpUGE(magnitude, intConstant(pattern, 0x477ff000)), intConstant(pattern, 0x7c00),
                           result);
  result = b_.CreateSelect(b_.CreateICmpUGT(magnitude, intConstant(pattern, 0x7f800000)), intConstant(pattern, 0x7e00),
                           result);
  Value* sign = b_.CreateAnd(b_.CreateLShr(pattern, intConstant(pattern, 16)), intConstant(pattern, 0x8000));
  return b_.CreateTrunc(b_.CreateOr(result, sign), shorts);
}

// Not the instruction that some CPUs have: it takes denormals for zeros.
llvm::Value* ScalarEmitter::floatToBfloat(Value* held) {
  Value* pattern = b_.CreateBitCast(held, sameLanes(held, b_.getInt32Ty()));
  Value* high = b_.CreateLShr(pattern, intConstant(pattern, 16));
  Value* nudge = b_.CreateAdd(b_.CreateAnd(high, intConstant(pattern, 1)), intConstant(pattern, 0x7fff));
  Value* result = b_.CreateLShr(b_.CreateAdd(pattern, nudge), intConstant(pattern, 16));
  result = b_.CreateSelect(b_.CreateFCmpUNO(held, held), b_.CreateOr(high, intConstant(pattern, 0x40)), result);
  return b_.CreateTrunc(result, sameLanes(held, b_.getInt16Ty()));
}

llvm::Value* ScalarEmitter::fromMemory(Value* raw, DType type) {
  switch (type) {
    case DType::kBool:
      return b_.CreateICmpNE(raw, intConstant(raw, 0));
    case DType::kFloat16:
      return halfToFloat(raw);
    case DType::kBFloat16: {
      Value* wide = b_.CreateZExt(raw, sameLanes(raw, b_.getInt32Ty()));
      return b_.CreateBitCast(b_.CreateShl(wide, intConstant(wide, 16)), sameLanes(raw, b_.getFloatTy()));
    }
    default:
      return raw;
  }
}

llvm::Value* ScalarEmitter::toMemory(Value* held, DType type) {
  switch (type) {
    case DType::kBool:
      return b_.CreateZExt(held, sameLanes(held, b_.getInt8Ty()));
    case DType::kFloat16:
      return floatToHalf(held);
    case DType::kBFloat16:
      return floatToBfloat(held);
    default:
      return held;
  }
}

llvm::Value* ScalarEmitter::rounded(Value* held, DType type) {
  return isNarrowFloat(type) ? fromMemory(toMemory(held, type), type) : held;
}

// A double as a float rounded to odd, so that rounding it again to 16 bits gives what rounding once would.
llvm::Value* ScalarEmitter::narrowToOdd(Value* x) {
  Value* nearest = b_.CreateFPTrunc(x, sameLanes(x, b_.getFloatTy()));
  Value* back = b_.CreateFPExt(nearest, x->getType());
  auto magnitude = [&](Value* v) { return b_.CreateUnaryIntrinsic(llvm::Intrinsic::fabs, v); };
  Value* above = b_.CreateFCmpOGT(magnitude(back), magnitude(x));
  Value* inexact = b_.CreateFCmpONE(back, x);
  Value* pattern = b_.CreateBitCast(nearest, sameLanes(x, b_.getInt32Ty()));
  Value* towardZero = b_.CreateSub(pattern, b_.CreateZExt(above, pattern->getType()));
  Value* odd = b_.CreateOr(towardZero, intConstant(pattern, 1));
  return b_.CreateBitCast(b_.CreateSelect(inexact, odd, pattern), nearest->getType());
}

llvm::Value* ScalarEmitter::floatFromInteger(Value* x, DType from, DType to) {
  bool isSigned = isSignedInteger(from);
  bool throughDouble = isNarrowFloat(to) && bitWidth(from) >= 32;
  llvm::Type* type = sameLanes(x, throughDouble ? b_.getDoubleTy() : heldLanes(to, 1));
  Value* result = isSigned ? b_.CreateSIToFP(x, type) : b_.CreateUIToFP(x, type);
  return throughDouble ? narrowToOdd(result) : result;
}

// The result is held, not yet rounded to 16 bits.
llvm::Value* ScalarEmitter::cast(Value* x, DType from, DType to) {
  llvm::Type* type = sameLanes(x, heldLanes(to, 1));
  if (heldType(from) == heldType(to)) return x;
  if (to == DType::kBool) {
    if (isFloat(from)) return b_.CreateFCmpUNE(x, ConstantFP::get(x->getType(), 0));
    return b_.CreateICmpNE(x, intConstant(x, 0));
  }
  if (from == DType::kBool) return isFloat(to) ? b_.CreateUIToFP(x, type) : b_.CreateZExt(x, type);
  if (isFloat(from) && isFloat(to)) {
    if (from != DType::kFloat64) return b_.CreateFPExt(x, type);
    return isNarrowFloat(to) ? narrowToOdd(x) : b_.CreateFPTrunc(x, type);
  }
  if (isFloat(to)) return floatFromInteger(x, from, to);
  if (isFloat(from)) {
    auto saturate = isSignedInteger(to) ? llvm::Intrinsic::fptosi_sat : llvm::Intrinsic::fptoui_sat;
    return b_.CreateIntrinsic(saturate, {type, x->getType()}, {x});
  }
  return b_.CreateIntCast(x, type, isSignedInteger(from));
}

}  // namespace shardwright
