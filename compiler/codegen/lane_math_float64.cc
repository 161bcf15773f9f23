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
  return {n.integer, r, b.CreateFMul(b.CreateFMul(r, r), poly(kExpTail64, r))};
}

// exp(high + low), |low| at most some units in the last place of high.
llvm::Value* LaneMath::expSum64(Value* high, Value* low) {
  Value* floor = num(high, -746);  // results are 0 below, infinite above
  Value* ceiling = num(high, 710);
  Value* clamped = b.CreateSelect(b.CreateFCmpOLT(high, floor), floor, high);
  clamped = b.CreateSelect(b.CreateFCmpOGT(clamped, ceiling), ceiling, clamped);
  ExpParts parts = expParts64(clamped);
  Value* sum = parts.tail;
  if (low) sum = b.CreateFAdd(sum, mulAdd(low, parts.reduced, low));
  sum = b.CreateFAdd(num(high, 1), b.CreateFAdd(parts.reduced, sum));
  return scaleByPowerOfTwo(sum, parts.n);
}

llvm::Value* LaneMath::exp64(Value* x) { return expSum64(x, nullptr); }

// For -40 ≤ x ≤ 709 or NaN.
llvm::Value* LaneMath::expm1Of64(Value* x) {
  ExpParts parts = expParts64(x);
  Value* small = b.CreateFAdd(parts.reduced, parts.tail);
  // 2^n in two factors: n may be 1024.
  Value* half = b.CreateAShr(parts.n, intNum(parts.n, 1));
  Value* first = powerOfTwo(half, x);
  Value* second = powerOfTwo(b.CreateSub(parts.n, half), x);
  Value* scaled = b.CreateFMul(b.CreateFMul(small, first), second);
  return b.CreateFAdd(scaled, b.CreateFSub(b.CreateFMul(first, second), num(x, 1)));
}

// log m = 2 atanh s, s = (m - 1) / (m + 1).
llvm::Value* LaneMath::log64(Value* x) {
  Log2Parts parts = splitExponent(x);
  Value* f = b.CreateFSub(parts.mantissa, num(x, 1));
  Value* s = b.CreateFDiv(f, b.CreateFAdd(f, num(x, 2)));
  Value* z = b.CreateFMul(s, s);
  Value* tail = b.CreateFMul(b.CreateFMul(s, z), poly(kAtanhTail64, z));
  // 2s = f - s f, and f is exact.
  Value* correction = b.CreateFSub(tail, b.CreateFMul(s, f));
  correction = mulAdd(parts.exponent, num(x, kLn2Low), correction);
  return finishLog(mulAdd(parts.exponent, num(x, kLn2High), b.CreateFAdd(f, correction)), x);
}

// With u = 1 + x rounded: log u + (what the rounding lost) / u.
llvm::Value* LaneMath::log1p64(Value* x) {
  Value* one = num(x, 1);
  Value* u = b.CreateFAdd(x, one);
  Value* larger = b.CreateFCmpOGT(x, one);
  Value* big = b.CreateSelect(larger, x, one);
  Value* small = b.CreateSelect(larger, one, x);
  Value* lost = b.CreateFSub(small, b.CreateFSub(u, big));
  Value* result = b.CreateFAdd(log64(u), b.CreateFDiv(lost, u));
  Value* ordinary =
      b.CreateAnd(b.CreateFCmpOGT(u, num(x, 0)), b.CreateFCmpOLT(u, num(x, std::numeric_limits<double>::infinity())));
  return b.CreateSelect(ordinary, result, log64(u));
}

// erf a = polynomial up to 1; beyond, erfc a = exp(-a²) g((a - 2.5) / (a + 2.5)).
llvm::Value* LaneMath::erf64(Value* x) {
  Value* a = fabs(x);
  Value* high = num(x, 6.1);  // where the result has become 1
  Value* clamped = b.CreateSelect(b.CreateFCmpOGT(a, high), high, a);
  Value* shift = num(x, 2.5);
  Value* t = b.CreateFDiv(b.CreateFSub(clamped, shift), b.CreateFAdd(clamped, shift));
  Value* complement = b.CreateFMul(exp64(b.CreateFNeg(b.CreateFMul(clamped, clamped))), poly(kErfcScaled64, t));
  Value* large = b.CreateFSub(num(x, 1), complement);
  Value* small = mulAdd(a, poly(kErfTail64, b.CreateFMul(a, a)), a);
  return copySign(b.CreateSelect(b.CreateFCmpOLT(a, num(x, 1)), small, large), x);
}

llvm::Value* LaneMath::asinCore64(Value* x) {
  Value* z = b.CreateFMul(x, x);
  return mulAdd(b.CreateFMul(x, z), poly(kAsinTail64, z), x);
}

// asin a = π/2 - 2 asin √((1 - a) / 2) for a > 1/2.
llvm::Value* LaneMath::asin64(Value* x) {
  Value* a = fabs(x);
  Value* large = b.CreateFCmpOGT(a, num(x, 0.5));
  Value* root = sqrt(b.CreateFMul(b.CreateFSub(num(x, 1), a), num(x, 0.5)));
  Value* core = asinCore64(b.CreateSelect(large, root, a));
  Value* folded = b.CreateFSub(num(x, kHalfPi), b.CreateFSub(b.CreateFMul(core, num(x, 2)), num(x, kHalfPiLow)));
  return copySign(b.CreateSelect(large, folded, core), x);
}

// acos x = 2 asin √((1 - x) / 2) for x > 1/2, its mirror image for x < -1/2, else π/2 - asin x.
llvm::Value* LaneMath::acos64(Value* x) {
  Value* a = fabs(x);
  Value* large = b.CreateFCmpOGT(a, num(x, 0.5));
  Value* root = sqrt(b.CreateFMul(b.CreateFSub(num(x, 1), a), num(x, 0.5)));
  Value* core = asinCore64(b.CreateSelect(large, root, x));
  Value* twice = b.CreateFMul(core, num(x, 2));
  Value* mirrored = b.CreateFSub(num(x, 2 * kHalfPi), b.CreateFSub(twice, num(x, 2 * kHalfPiLow)));
  Value* outside = b.CreateSelect(b.CreateFCmpOLT(x, num(x, 0)), mirrored, twice);
  Value* inside = b.CreateFSub(num(x, kHalfPi), b.CreateFSub(core, num(x, kHalfPiLow)));
  return b.CreateSelect(large, outside, inside);
}

// Folded at tan π/8 and tan 3π/8 to (a - 1) / (a + 1) and -1 / a: one division for all three cases.
llvm::Value* LaneMath::atan64(Value* x) {
  Value* a = fabs(x);
  Value* one = num(x, 1);
  Value* middle = b.CreateFCmpOGT(a, num(x, 0.41421356237309503));
  Value* high = b.CreateFCmpOGT(a, num(x, 2.414213562373095));
  Value* numerator = b.CreateSelect(high, num(x, -1), b.CreateSelect(middle, b.CreateFSub(a, one), a));
  Value* denominator = b.CreateSelect(high, a, b.CreateSelect(middle, b.CreateFAdd(a, one), one));
  Value* t = b.CreateFDiv(numerator, denominator);
  Value* z = b.CreateFMul(t, t);
  Value* core = mulAdd(b.CreateFMul(t, z), poly(kAtanTail64, z), t);
  Value* zero = num(x, 0);
  Value* offset = b.CreateSelect(high, num(x, kHalfPi), b.CreateSelect(middle, num(x, kHalfPi / 2), zero));
  Value* offsetLow = b.CreateSelect(high, num(x, kHalfPiLow), b.CreateSelect(middle, num(x, kHalfPiLow / 2), zero));
  return copySign(b.CreateFAdd(offset, b.CreateFAdd(core, offsetLow)), x);
}

llvm::Value* LaneMath::halfExp64(Value* x) {
  Value* root = exp64(b.CreateFMul(x, num(x, 0.5)));
  return b.CreateFMul(b.CreateFMul(root, num(x, 0.5)), root);
}

// (m + m / (m + 1)) / 2 with m = exp|x| - 1. Near the top of the range exp|x| overflows before its half does.
llvm::Value* LaneMath::sinh64(Value* x) {
  Value* a = fabs(x);
  Value* limit = num(x, 700);
  Value* large = b.CreateFCmpOGT(a, limit);
  Value* m = expm1Of64(b.CreateSelect(large, limit, a));
  Value* ordinary = b.CreateFAdd(m, b.CreateFDiv(m, b.CreateFAdd(m, num(x, 1))));
  return copySign(b.CreateSelect(large, halfExp64(a), b.CreateFMul(ordinary, num(x, 0.5))), x);
}

llvm::Value* LaneMath::cosh64(Value* x) {
  Value* a = fabs(x);
  Value* e = exp64(a);
  Value* ordinary = b.CreateFMul(b.CreateFAdd(e, b.CreateFDiv(num(x, 1), e)), num(x, 0.5));
  return b.CreateSelect(b.CreateFCmpOGT(a, num(x, 700)), halfExp64(a), ordinary);
}

llvm::Value* LaneMath::tanh64(Value* x) {
  Value* twice = b.CreateFMul(fabs(x), num(x, 2));
  Value* high = num(x, 44);  // where the result has become 1
  Value* m = expm1Of64(b.CreateSelect(b.CreateFCmpOGT(twice, high), high, twice));
  return copySign(b.CreateFDiv(m, b.CreateFAdd(m, num(x, 2))), x);
}

// log1p(a + a² / (1 + √(1 + a²))); where a² would lose or overflow, log a + log 2.
llvm::Value* LaneMath::asinh64(Value* x) {
  Value* a = fabs(x);
  Value* one = num(x, 1);
  Value* large = b.CreateFCmpOGT(a, num(x, 0x1p28));
  Value* safe = b.CreateSelect(large, one, a);
  Value* square = b.CreateFMul(safe, safe);
  Value* argument = b.CreateFAdd(safe, b.CreateFDiv(square, b.CreateFAdd(one, sqrt(b.CreateFAdd(one, square)))));
  Value* far = b.CreateFAdd(log64(a), num(x, kLn2));
  return copySign(b.CreateSelect(large, far, log1p64(argument)), x);
}

llvm::Value* LaneMath::acosh64(Value* x) {
  Value* large = b.CreateFCmpOGT(x, num(x, 0x1p28));
  Value* t = b.CreateFSub(b.CreateSelect(large, num(x, 2), x), num(x, 1));
  Value* argument = b.CreateFAdd(t, sqrt(b.CreateFMul(t, b.CreateFAdd(t, num(x, 2)))));
  Value* result = b.CreateSelect(large, b.CreateFAdd(log64(x), num(x, kLn2)), log1p64(argument));
  return b.CreateSelect(b.CreateFCmpOLT(x, num(x, 1)), num(x, std::numeric_limits<double>::quiet_NaN()), result);
}

llvm::Value* LaneMath::atanh64(Value* x) {
  Value* a = fabs(x);
  Value* argument = b.CreateFDiv(b.CreateFMul(a, num(x, 2)), b.CreateFSub(num(x, 1), a));
  return copySign(b.CreateFMul(log1p64(argument), num(x, 0.5)), x);
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
