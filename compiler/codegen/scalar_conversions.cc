// How values are held, loaded and stored, and the casts between types.
#include "compiler/codegen/scalar_emitter.h"
#include "compiler/codegen/scalar_op.h"

namespace shardwright {

using llvm::ConstantFP;

// Keeps LLVM from moving operations over a conversion: as operations on half they would become calls.
llvm::Value* ScalarEmitter::fenced(Value* held) {
  return b.CreateUnaryIntrinsic(llvm::Intrinsic::arithmetic_fence, held);
}

// Without instructions: the exponent and mantissa moved into a float's place and scaled by 2^112, which also makes denormals
// normal; the exponent of infinities and NaNs is filled up.
llvm::Value* ScalarEmitter::halfToFloat(Value* raw) {
  llvm::Type* floats = sameLanes(raw, b.getFloatTy());
  if (traits_.halfConversions) {
    return fenced(b.CreateFPExt(b.CreateBitCast(raw, sameLanes(raw, b.getHalfTy())), floats));
  }
  Value* wide = b.CreateZExt(raw, sameLanes(raw, b.getInt32Ty()));
  Value* magnitude = b.CreateShl(b.CreateAnd(wide, intConstant(wide, 0x7fff)), intConstant(wide, 13));
  Value* scaled = b.CreateFMul(b.CreateBitCast(magnitude, floats), ConstantFP::get(floats, 0x1p112));
  Value* special = b.CreateICmpUGE(magnitude, intConstant(wide, 0x7c00u << 13));
  Value* filled = b.CreateOr(magnitude, intConstant(wide, 0x7f800000));
  Value* result = b.CreateSelect(special, filled, b.CreateBitCast(scaled, wide->getType()));
  Value* sign = b.CreateShl(b.CreateAnd(wide, intConstant(wide, 0x8000)), intConstant(wide, 16));
  return b.CreateBitCast(b.CreateOr(result, sign), floats);
}

// Without instructions: normal results by rounding bits, denormal ones by adding 1/2, whose last bit weighs as much as theirs.
llvm::Value* ScalarEmitter::floatToHalf(Value* held) {
  llvm::Type* shorts = sameLanes(held, b.getInt16Ty());
  if (traits_.halfConversions) {
    return b.CreateBitCast(b.CreateFPTrunc(fenced(held), sameLanes(held, b.getHalfTy())), shorts);
  }
  Value* pattern = b.CreateBitCast(held, sameLanes(held, b.getInt32Ty()));
  Value* magnitude = b.CreateAnd(pattern, intConstant(pattern, 0x7fffffff));
  Value* last = b.CreateAnd(b.CreateLShr(magnitude, intConstant(pattern, 13)), intConstant(pattern, 1));
  Value* nudged = b.CreateAdd(b.CreateAdd(magnitude, intConstant(pattern, 0xfff)), last);
  Value* normal = b.CreateSub(b.CreateLShr(nudged, intConstant(pattern, 13)), intConstant(pattern, 112u << 10));
  Value* half = ConstantFP::get(held->getType(), 0.5);
  Value* aligned = b.CreateFAdd(b.CreateBitCast(magnitude, held->getType()), half);
  Value* denormal =
      b.CreateSub(b.CreateBitCast(aligned, pattern->getType()), b.CreateBitCast(half, pattern->getType()));
  Value* result = b.CreateSelect(b.CreateICmpULT(magnitude, intConstant(pattern, 0x38800000)), denormal, normal);
  result = b.CreateSelect(b.CreateICmpUGE(magnitude, intConstant(pattern, 0x477ff000)), intConstant(pattern, 0x7c00),
                          result);
  result = b.CreateSelect(b.CreateICmpUGT(magnitude, intConstant(pattern, 0x7f800000)), intConstant(pattern, 0x7e00),
                          result);
  Value* sign = b.CreateAnd(b.CreateLShr(pattern, intConstant(pattern, 16)), intConstant(pattern, 0x8000));
  return b.CreateTrunc(b.CreateOr(result, sign), shorts);
}

// Not the instruction that some CPUs have: it takes denormals for zeros.
llvm::Value* ScalarEmitter::floatToBfloat(Value* held) {
  Value* pattern = b.CreateBitCast(held, sameLanes(held, b.getInt32Ty()));
  Value* high = b.CreateLShr(pattern, intConstant(pattern, 16));
  Value* nudge = b.CreateAdd(b.CreateAnd(high, intConstant(pattern, 1)), intConstant(pattern, 0x7fff));
  Value* result = b.CreateLShr(b.CreateAdd(pattern, nudge), intConstant(pattern, 16));
  result = b.CreateSelect(b.CreateFCmpUNO(held, held), b.CreateOr(high, intConstant(pattern, 0x40)), result);
  return b.CreateTrunc(result, sameLanes(held, b.getInt16Ty()));
}

llvm::Value* ScalarEmitter::fromMemory(Value* raw, DType type) {
  switch (type) {
    case DType::kBool:
      return b.CreateICmpNE(raw, intConstant(raw, 0));
    case DType::kFloat16:
      return halfToFloat(raw);
    case DType::kBFloat16: {
      Value* wide = b.CreateZExt(raw, sameLanes(raw, b.getInt32Ty()));
      return b.CreateBitCast(b.CreateShl(wide, intConstant(wide, 16)), sameLanes(raw, b.getFloatTy()));
    }
    default:
      return raw;
  }
}

llvm::Value* ScalarEmitter::toMemory(Value* held, DType type) {
  switch (type) {
    case DType::kBool:
      return b.CreateZExt(held, sameLanes(held, b.getInt8Ty()));
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
  Value* nearest = b.CreateFPTrunc(x, sameLanes(x, b.getFloatTy()));
  Value* back = b.CreateFPExt(nearest, x->getType());
  auto magnitude = [&](Value* v) { return b.CreateUnaryIntrinsic(llvm::Intrinsic::fabs, v); };
  Value* above = b.CreateFCmpOGT(magnitude(back), magnitude(x));
  Value* inexact = b.CreateFCmpONE(back, x);
  Value* pattern = b.CreateBitCast(nearest, sameLanes(x, b.getInt32Ty()));
  Value* towardZero = b.CreateSub(pattern, b.CreateZExt(above, pattern->getType()));
  Value* odd = b.CreateOr(towardZero, intConstant(pattern, 1));
  return b.CreateBitCast(b.CreateSelect(inexact, odd, pattern), nearest->getType());
}

llvm::Value* ScalarEmitter::floatFromInteger(Value* x, DType from, DType to) {
  bool isSigned = isSignedInteger(from);
  bool throughDouble = isNarrowFloat(to) && bitWidth(from) >= 32;
  llvm::Type* type = sameLanes(x, throughDouble ? b.getDoubleTy() : heldLanes(to, 1));
  Value* result = isSigned ? b.CreateSIToFP(x, type) : b.CreateUIToFP(x, type);
  return throughDouble ? narrowToOdd(result) : result;
}

// The result is held, not yet rounded to 16 bits.
llvm::Value* ScalarEmitter::cast(Value* x, DType from, DType to) {
  llvm::Type* type = sameLanes(x, heldLanes(to, 1));
  if (heldType(from) == heldType(to)) return x;
  if (to == DType::kBool) {
    if (isFloat(from)) return b.CreateFCmpUNE(x, ConstantFP::get(x->getType(), 0));
    return b.CreateICmpNE(x, intConstant(x, 0));
  }
  if (from == DType::kBool) return isFloat(to) ? b.CreateUIToFP(x, type) : b.CreateZExt(x, type);
  if (isFloat(from) && isFloat(to)) {
    if (from != DType::kFloat64) return b.CreateFPExt(x, type);
    return isNarrowFloat(to) ? narrowToOdd(x) : b.CreateFPTrunc(x, type);
  }
  if (isFloat(to)) return floatFromInteger(x, from, to);
  if (isFloat(from)) {
    auto saturate = isSignedInteger(to) ? llvm::Intrinsic::fptosi_sat : llvm::Intrinsic::fptoui_sat;
    return b.CreateIntrinsic(saturate, {type, x->getType()}, {x});
  }
  return b.CreateIntCast(x, type, isSignedInteger(from));
}

}  // namespace shardwright
