// The float64 functions, which also serve the rare float32 ones.
#include <limits>

#include "compiler/codegen/lane_math_poly.h"
#include "compiler/codegen/polynomials.h"

namespace shardwright {
namespace {

// log 2 in two parts; the product of the first with any exponent is exact.
constexpr double kLn2High = 0x1.62e42feep-1;
constexpr double kLn2Low = 0x1.a39ef35793c76p-33;
constexpr double kLog2OfE = 0x1.71547652b82fep+0;
constexpr double kLn2 = 0x1.62e42fefa39efp-1;
constexpr double kHalfPi = 0x1.921fb54442d18p+0;
constexpr double kHalfPiLow = 0x1.1a62633145c07p-54;

}  // namespace

LaneMath::ExpParts LaneMath::expParts64(Value* x) {
  Rounded n = roundSmall(x, kLog2OfE);
  Value* r = mulAdd(n.value, num(x, -kLn2High), x);
  r = mulAdd(n.value, num(x, -kLn2Low), r);
  return {n.integer, r, b_.CreateFMul(b_.CreateFMul(r, r), poly(kExpTail64, r))};
}

// exp(high + low), |low| at most some units in the last place of high.
llvm::Value* LaneMath::expSum64(Value* high, Value* low) {
  Value* floor = num(high, -746);  // results are 0 below, infinite above
  Value* ceiling = num(high, 710);
  Value* clamped = b_.CreateSelect(b_.CreateFCmpOLT(high, floor), floor, high);
  clamped = b_.CreateSelect(b_.CreateFCmpOGT(clamped, ceiling), ceiling, clamped);
  ExpParts parts = expParts64(clamped);
  Value* sum = parts.tail;
  if (low) sum = b_.CreateFAdd(sum, mulAdd(low, parts.reduced, low));
  sum = b_.CreateFAdd(num(high, 1), b_.CreateFAdd(parts.reduced, sum));
  return scaleByPowerOfTwo(sum, parts.n);
}

llvm::Value* LaneMath::exp64(Value* x) { return expSum64(x, nullptr); }

// For -40 ≤ x ≤ 709 or NaN.
llvm::Value* LaneMath::expm1Of64(Value* x) {
  ExpParts parts = expParts64(x);
  Value* small = b_.CreateFAdd(parts.reduced, parts.tail);
  // 2^n in two factors: n may be 1024.
  Value* half = b_.CreateAShr(parts.n, intNum(parts.n, 1));
  Value* first = powerOfTwo(half, x);
  Value* second = powerOfTwo(b_.CreateSub(parts.n, half), x);
  Value* scaled = b_.CreateFMul(b_.CreateFMul(small, first), second);
  return b_.CreateFAdd(scaled, b_.CreateFSub(b_.CreateFMul(first, second), num(x, 1)));
}

// log m = 2 atanh s, s = (m - 1) / (m + 1).
llvm::Value* LaneMath::log64(Value* x) {
  Log2Parts parts = splitExponent(x);
  Value* f = b_.CreateFSub(parts.mantissa, num(x, 1));
  Value* s = b_.CreateFDiv(f, b_.CreateFAdd(f, num(x, 2)));
  Value* z = b_.CreateFMul(s, s);
  Value* tail = b_.CreateFMul(b_.CreateFMul(s, z), poly(kAtanhTail64, z));
  // 2s = f - s f, and f is exact.
  Value* correction = b_.CreateFSub(tail, b_.CreateFMul(s, f));
  correction = mulAdd(parts.exponent, num(x, kLn2Low), correction);
  return finishLog(mulAdd(parts.exponent, num(x, kLn2High), b_.CreateFAdd(f, correction)), x);
}

// With u = 1 + x rounded: log u + (what the rounding lost) / u.
llvm::Value* LaneMath::log1p64(Value* x) {
  Value* one = num(x, 1);
  Value* u = b_.CreateFAdd(x, one);
  Value* larger = b_.CreateFCmpOGT(x, one);
  Value* big = b_.CreateSelect(larger, x, one);
  Value* small = b_.CreateSelect(larger, one, x);
  Value* lost = b_.CreateFSub(small, b_.CreateFSub(u, big));
  Value* result = b_.CreateFAdd(log64(u), b_.CreateFDiv(lost, u));
  Value* ordinary = b_.CreateAnd(b_.CreateFCmpOGT(u, num(x, 0)),
                                 b_.CreateFCmpOLT(u, num(x, std::numeric_limits<double>::infinity())));
  return b_.CreateSelect(ordinary, result, log64(u));
}

// erf a = polynomial up to 1; beyond, erfc a = exp(-a²) g((a - 2.5) / (a + 2.5)).
llvm::Value* LaneMath::erf64(Value* x) {
  Value* a = fabs(x);
  Value* high = num(x, 6.1);  // where the result has become 1
  Value* clamped = b_.CreateSelect(b_.CreateFCmpOGT(a, high), high, a);
  Value* shift = num(x, 2.5);
  Value* t = b_.CreateFDiv(b_.CreateFSub(clamped, shift), b_.CreateFAdd(clamped, shift));
  Value* complement = b_.CreateFMul(exp64(b_.CreateFNeg(b_.CreateFMul(clamped, clamped))), poly(kErfcScaled64, t));
  Value* large = b_.CreateFSub(num(x, 1), complement);
  Value* small = mulAdd(a, poly(kErfTail64, b_.CreateFMul(a, a)), a);
  return copySign(b_.CreateSelect(b_.CreateFCmpOLT(a, num(x, 1)), small, large), x);
}

llvm::Value* LaneMath::asinCore64(Value* x) {
  Value* z = b_.CreateFMul(x, x);
  return mulAdd(b_.CreateFMul(x, z), poly(kAsinTail64, z), x);
}

// asin a = π/2 - 2 asin √((1 - a) / 2) for a > 1/2.
llvm::Value* LaneMath::asin64(Value* x) {
  Value* a = fabs(x);
  Value* large = b_.CreateFCmpOGT(a, num(x, 0.5));
  Value* root = sqrt(b_.CreateFMul(b_.CreateFSub(num(x, 1), a), num(x, 0.5)));
  Value* core = asinCore64(b_.CreateSelect(large, root, a));
  Value* folded = b_.CreateFSub(num(x, kHalfPi), b_.CreateFSub(b_.CreateFMul(core, num(x, 2)), num(x, kHalfPiLow)));
  return copySign(b_.CreateSelect(large, folded, core), x);
}

// acos x = 2 asin √((1 - x) / 2) for x > 1/2, its mirror image for x < -1/2, else π/2 - asin x.
llvm::Value* LaneMath::acos64(Value* x) {
  Value* a = fabs(x);
  Value* large = b_.CreateFCmpOGT(a, num(x, 0.5));
  Value* root = sqrt(b_.CreateFMul(b_.CreateFSub(num(x, 1), a), num(x, 0.5)));
  Value* core = asinCore64(b_.CreateSelect(large, root, x));
  Value* twice = b_.CreateFMul(core, num(x, 2));
  Value* mirrored = b_.CreateFSub(num(x, 2 * kHalfPi), b_.CreateFSub(twice, num(x, 2 * kHalfPiLow)));
  Value* outside = b_.CreateSelect(b_.CreateFCmpOLT(x, num(x, 0)), mirrored, twice);
  Value* inside = b_.CreateFSub(num(x, kHalfPi), b_.CreateFSub(core, num(x, kHalfPiLow)));
  return b_.CreateSelect(large, outside, inside);
}

// Folded at tan π/8 and tan 3π/8 to (a - 1) / (a + 1) and -1 / a: one division for all three cases.
llvm::Value* LaneMath::atan64(Value* x) {
  Value* a = fabs(x);
  Value* one = num(x, 1);
  Value* middle = b_.CreateFCmpOGT(a, num(x, 0.41421356237309503));
  Value* high = b_.CreateFCmpOGT(a, num(x, 2.414213562373095));
  Value* numerator = b_.CreateSelect(high, num(x, -1), b_.CreateSelect(middle, b_.CreateFSub(a, one), a));
  Value* denominator = b_.CreateSelect(high, a, b_.CreateSelect(middle, b_.CreateFAdd(a, one), one));
  Value* t = b_.CreateFDiv(numerator, denominator);
  Value* z = b_.CreateFMul(t, t);
  Value* core = mulAdd(b_.CreateFMul(t, z), poly(kAtanTail64, z), t);
  Value* zero = num(x, 0);
  Value* offset = b_.CreateSelect(high, num(x, kHalfPi), b_.CreateSelect(middle, num(x, kHalfPi / 2), zero));
  Value* offsetLow = b_.CreateSelect(high, num(x, kHalfPiLow), b_.CreateSelect(middle, num(x, kHalfPiLow / 2), zero));
  return copySign(b_.CreateFAdd(offset, b_.CreateFAdd(core, offsetLow)), x);
}

llvm::Value* LaneMath::halfExp64(Value* x) {
  Value* root = exp64(b_.CreateFMul(x, num(x, 0.5)));
  return b_.CreateFMul(b_.CreateFMul(root, num(x, 0.5)), root);
}

// (m + m / (m + 1)) / 2 with m = exp|x| - 1. Near the top of the range exp|x| overflows before its half does.
llvm::Value* LaneMath::sinh64(Value* x) {
  Value* a = fabs(x);
  Value* limit = num(x, 700);
  Value* large = b_.CreateFCmpOGT(a, limit);
  Value* m = expm1Of64(b_.CreateSelect(large, limit, a));
  Value* ordinary = b_.CreateFAdd(m, b_.CreateFDiv(m, b_.CreateFAdd(m, num(x, 1))));
  return copySign(b_.CreateSelect(large, halfExp64(a), b_.CreateFMul(ordinary, num(x, 0.5))), x);
}

llvm::Value* LaneMath::cosh64(Value* x) {
  Value* a = fabs(x);
  Value* e = exp64(a);
  Value* ordinary = b_.CreateFMul(b_.CreateFAdd(e, b_.CreateFDiv(num(x, 1), e)), num(x, 0.5));
  return b_.CreateSelect(b_.CreateFCmpOGT(a, num(x, 700)), halfExp64(a), ordinary);
}

llvm::Value* LaneMath::tanh64(Value* x) {
  Value* twice = b_.CreateFMul(fabs(x), num(x, 2));
  Value* high = num(x, 44);  // where the result has become 1
  Value* m = expm1Of64(b_.CreateSelect(b_.CreateFCmpOGT(twice, high), high, twice));
  return copySign(b_.CreateFDiv(m, b_.CreateFAdd(m, num(x, 2))), x);
}

// log1p(a + a² / (1 + √(1 + a²))); where a² would lose or overflow, log a + log 2.
llvm::Value* LaneMath::asinh64(Value* x) {
  Value* a = fabs(x);
  Value* one = num(x, 1);
  Value* large = b_.CreateFCmpOGT(a, num(x, 0x1p28));
  Value* safe = b_.CreateSelect(large, one, a);
  Value* square = b_.CreateFMul(safe, safe);
  Value* argument = b_.CreateFAdd(safe, b_.CreateFDiv(square, b_.CreateFAdd(one, sqrt(b_.CreateFAdd(one, square)))));
  Value* far = b_.CreateFAdd(log64(a), num(x, kLn2));
  return copySign(b_.CreateSelect(large, far, log1p64(argument)), x);
}

llvm::Value* LaneMath::acosh64(Value* x) {
  Value* large = b_.CreateFCmpOGT(x, num(x, 0x1p28));
  Value* t = b_.CreateFSub(b_.CreateSelect(large, num(x, 2), x), num(x, 1));
  Value* argument = b_.CreateFAdd(t, sqrt(b_.CreateFMul(t, b_.CreateFAdd(t, num(x, 2)))));
  Value* result = b_.CreateSelect(large, b_.CreateFAdd(log64(x), num(x, kLn2)), log1p64(argument));
  return b_.CreateSelect(b_.CreateFCmpOLT(x, num(x, 1)), num(x, std::numeric_limits<double>::quiet_NaN()), result);
}

llvm::Value* LaneMath::atanh64(Value* x) {
  Value* a = fabs(x);
  Value* argument = b_.CreateFDiv(b_.CreateFMul(a, num(x, 2)), b_.CreateFSub(num(x, 1), a));
  return copySign(b_.CreateFMul(log1p64(argument), num(x, 0.5)), x);
}

llvm::Value* LaneMath::unary64(ScalarOp op, Value* x) {
  switch (op) {
    case ScalarOp::kAsin:
      return asin64(x);
    case ScalarOp::kAcos:
      return acos64(x);
    case ScalarOp::kAtan:
      return atan64(x);
    case ScalarOp::kSinh:
      return sinh64(x);
    case ScalarOp::kCosh:
      return cosh64(x);
    case ScalarOp::kAsinh:
      return asinh64(x);
    case ScalarOp::kAcosh:
      return acosh64(x);
    case ScalarOp::kAtanh:
      return atanh64(x);
    default:
      llvm_unreachable("not a function of one float");
  }
}

}  // namespace shardwright
