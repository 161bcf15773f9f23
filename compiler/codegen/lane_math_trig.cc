// sin, cos, tan and the reduction of their arguments.
#include <array>
#include <cmath>

#include "compiler/codegen/lane_math_poly.h"
#include "compiler/codegen/polynomials.h"
#include "llvm/IR/Module.h"

namespace shardwright {
namespace {

// π/2 in three parts of 33 bits: products with a quadrant below 2^20 are exact.
constexpr double kHalfPiPart[] = {0x1.921fb544p+0, 0x1.0b4611a6p-34, 0x1.3198a2e037073p-69};
constexpr double kTwoOverPi = 0x1.45f306dc9c883p-1;

// Floats up to here are reduced with the parts above.
constexpr double kLargeFloat = 1e5;
constexpr int kFirstExponent = 127 + 16 - 150;  // of a float above kLargeFloat, whose mantissa is seen as an integer
constexpr int kNumExponents = 255 - 150 - kFirstExponent;

// The binary digits of 2/π after the point.
constexpr uint32_t kTwoOverPiDigits[] = {0xa2f9836e, 0x4e441529, 0xfc2757d1, 0xf534ddc0,
                                         0xdb629599, 0x3c439041, 0xfe5163ab, 0xdebbc561};

// Digits of 2/π with weights 2^-first … 2^-(first+27), as an integer of 28 bits.
uint32_t digitsFrom(int first) {
  uint32_t digits = 0;
  for (int i = first; i < first + 28; ++i) {
    uint32_t digit = i < 1 ? 0 : (kTwoOverPiDigits[(i - 1) / 32] >> (31 - (i - 1) % 32)) & 1;
    digits = digits << 1 | digit;
  }
  return digits;
}

// For each exponent e: 2^e · 2/π modulo 4, in three parts of 28 bits, whose products with a float's mantissa are exact.
llvm::GlobalVariable* hugeAngleTable(llvm::Module& module) {
  const char* name = "shardwright.angles";
  if (llvm::GlobalVariable* found = module.getGlobalVariable(name, /*AllowInternal=*/true)) return found;
  std::array<double, 3 * kNumExponents> values;
  for (int i = 0; i < kNumExponents; ++i) {
    int exponent = kFirstExponent + i;
    for (int part = 0; part < 3; ++part) {
      values[3 * i + part] = std::ldexp(digitsFrom(exponent - 1 + 28 * part), -26 - 28 * part);
    }
  }
  llvm::Constant* contents = llvm::ConstantDataArray::get(module.getContext(), llvm::ArrayRef<double>(values));
  auto* table = new llvm::GlobalVariable(module, contents->getType(), /*isConstant=*/true,
                                         llvm::GlobalValue::PrivateLinkage, contents, name);
  table->setAlignment(llvm::Align(64));
  return table;
}

}  // namespace

// Payne and Hanek's method for floats above 1e5: x = m 2^e with m an integer of 24 bits; x · 2/π modulo 4 is m times the
// digits of 2/π that matter for e, in three exact products.
LaneMath::Reduced LaneMath::reduceHugeFloat(Value* x) {
  Value* pattern = bits(x);
  Value* field = b_.CreateAnd(b_.CreateLShr(pattern, intNum(pattern, 23)), intNum(pattern, 255));
  Value* row = b_.CreateSub(field, intNum(field, 150 + kFirstExponent));
  Value* inTable = b_.CreateICmpULT(row, intNum(row, kNumExponents));  // else the lane is another's business
  row = b_.CreateMul(b_.CreateSelect(inTable, row, intNum(row, 0)), intNum(row, 3));
  Value* mantissaBits = b_.CreateOr(b_.CreateAnd(pattern, intNum(pattern, 0x807fffff)), intNum(pattern, 150u << 23));
  Value* mantissa = toDouble(fromBits(mantissaBits, x));
  llvm::GlobalVariable* table = hugeAngleTable(*b_.GetInsertBlock()->getModule());
  auto part = [&](int i) -> Value* {
    Value* address = b_.CreateGEP(b_.getDoubleTy(), table, b_.CreateAdd(row, intNum(row, i)));
    Type* type = mantissa->getType();
    Value* loaded = nullptr;
    if (type->isVectorTy()) {
      loaded = b_.CreateMaskedGather(type, address, llvm::Align(8));
    } else {
      loaded = b_.CreateLoad(type, address);
    }
    return b_.CreateFMul(mantissa, loaded);
  };
  auto nearest = [&](Value* value) { return round(value, llvm::Intrinsic::roundeven); };
  Value* first = part(0);
  Value* fours = b_.CreateFMul(nearest(b_.CreateFMul(first, num(first, 0.25))), num(first, 4));
  first = b_.CreateFSub(first, fours);
  Value* second = part(1);
  Value* whole = nearest(b_.CreateFAdd(first, second));
  Value* rest = b_.CreateFAdd(b_.CreateFAdd(b_.CreateFSub(first, whole), second), part(2));
  return {b_.CreateFMul(rest, num(rest, kHalfPiPart[0] + kHalfPiPart[1])), roundSmall(whole, 1).integer};
}

LaneMath::Reduced LaneMath::reduceAngle(Value* x) {
  bool isFloat = x->getType()->getScalarType()->isFloatTy();
  Value* wide = isFloat ? toDouble(x) : x;
  Rounded quadrant = roundSmall(wide, kTwoOverPi);
  Value* angle = wide;
  for (double part : kHalfPiPart) angle = mulAdd(quadrant.value, num(wide, -part), angle);
  if (!isFloat) {
    // Where too few digits of π are left the angle is meaningless, but remains one.
    for (double end : {0.79, -0.79}) {
      Value* bound = num(angle, end);
      Value* beyond = end > 0 ? b_.CreateFCmpOGT(angle, bound) : b_.CreateFCmpOLT(angle, bound);
      angle = b_.CreateSelect(beyond, bound, angle);
    }
    return {angle, quadrant.integer};
  }

  // The rare large ones have a block of their own.
  Value* a = fabs(x);
  Value* huge = b_.CreateAnd(b_.CreateFCmpOGT(a, num(x, kLargeFloat)),
                             b_.CreateFCmpOLT(a, num(x, std::numeric_limits<double>::infinity())));
  llvm::BasicBlock* before = b_.GetInsertBlock();
  llvm::Function* function = before->getParent();
  auto* hugeBlock = llvm::BasicBlock::Create(b_.getContext(), "huge", function);
  auto* after = llvm::BasicBlock::Create(b_.getContext(), "reduced", function);
  b_.CreateCondBr(any(huge), hugeBlock, after);
  b_.SetInsertPoint(hugeBlock);
  Reduced exact = reduceHugeFloat(x);
  Value* hugeAngle = b_.CreateSelect(huge, exact.angle, angle);
  Value* hugeQuadrant = b_.CreateSelect(huge, exact.quadrant, quadrant.integer);
  b_.CreateBr(after);
  llvm::BasicBlock* hugeEnd = b_.GetInsertBlock();
  b_.SetInsertPoint(after);
  auto merge = [&](Value* usual, Value* unusual) {
    llvm::PHINode* phi = b_.CreatePHI(usual->getType(), 2);
    phi->addIncoming(usual, before);
    phi->addIncoming(unusual, hugeEnd);
    return phi;
  };
  Value* mergedAngle = merge(angle, hugeAngle);
  return {mergedAngle, merge(quadrant.integer, hugeQuadrant)};
}

// Where the function is x to the last bit; adding a tail of nothing would take -0's sign.
llvm::Value* LaneMath::tinyItself(Value* x, Value* result) {
  double tiny = x->getType()->getScalarType()->isFloatTy() ? 0x1p-13 : 0x1p-28;
  return b_.CreateSelect(b_.CreateFCmpOLT(fabs(x), num(x, tiny)), x, result);
}

// Odd quadrants exchange sine and cosine, the upper half of them changes the sign.
llvm::Value* LaneMath::sinCos(ScalarOp op, Value* x) {
  bool isFloat = x->getType()->getScalarType()->isFloatTy();
  Reduced reduced = reduceAngle(x);
  Value* r = isFloat ? toFloat(reduced.angle) : reduced.angle;
  Value* quadrant = reduced.quadrant;
  if (op == ScalarOp::kCos) quadrant = b_.CreateAdd(quadrant, intNum(quadrant, 1));
  if (isFloat) quadrant = b_.CreateTrunc(quadrant, intTypeOf(x));
  Value* z = b_.CreateFMul(r, r);
  Value* sine = mulAdd(b_.CreateFMul(r, z), isFloat ? poly(kSinTail32, z) : poly(kSinTail64, z), r);
  Value* cosineTail = b_.CreateFMul(b_.CreateFMul(z, z), isFloat ? poly(kCosTail32, z) : poly(kCosTail64, z));
  Value* cosine = b_.CreateFAdd(mulAdd(z, num(z, -0.5), num(z, 1)), cosineTail);
  Value* odd = b_.CreateICmpNE(b_.CreateAnd(quadrant, intNum(quadrant, 1)), intNum(quadrant, 0));
  Value* result = b_.CreateSelect(odd, cosine, sine);
  Value* flip = b_.CreateShl(b_.CreateLShr(quadrant, intNum(quadrant, 1)), intNum(quadrant, isFloat ? 31 : 63));
  result = fromBits(b_.CreateXor(bits(result), flip), result);
  return op == ScalarOp::kSin ? tinyItself(x, result) : result;
}

// In double for both types.
llvm::Value* LaneMath::tan(Value* x) {
  Reduced reduced = reduceAngle(x);
  Value* r = reduced.angle;
  Value* z = b_.CreateFMul(r, r);
  Value* sine = mulAdd(b_.CreateFMul(r, z), poly(kSinTail64, z), r);
  Value* cosine =
      b_.CreateFAdd(mulAdd(z, num(z, -0.5), num(z, 1)), b_.CreateFMul(b_.CreateFMul(z, z), poly(kCosTail64, z)));
  Value* odd =
      b_.CreateICmpNE(b_.CreateAnd(reduced.quadrant, intNum(reduced.quadrant, 1)), intNum(reduced.quadrant, 0));
  Value* result = b_.CreateFDiv(b_.CreateSelect(odd, cosine, sine), b_.CreateSelect(odd, b_.CreateFNeg(sine), cosine));
  return tinyItself(x, x->getType()->getScalarType()->isFloatTy() ? toFloat(result) : result);
}

}  // namespace shardwright
