// The float32 functions that models spend time in.
#include "compiler/codegen/lane_math_poly.h"
#include "compiler/codegen/polynomials.h"

namespace shardwright {
namespace {

// log 2 in two parts; the product of the first with any exponent is exact.
constexpr double kLn2High = 0x1.63p-1;
constexpr double kLn2Low = -0x1.bd0105c610ca8p-13;
constexpr double kLog2OfE = 0x1.71547652b82fep+0;

}  // namespace

// n = round(x / log 2), r = x - n log 2, exp(x) = 2^n (1 + r + r² tail(r)).
// wideRange: results may be denormal or overflow; otherwise |n| < 127.
llvm::Value* LaneMath::exp32Core(Value* x, bool wideRange) {
  Rounded n = roundSmall(x, kLog2OfE);
  Value* r = mulAdd(n.value, num(x, -kLn2High), x);
  r = mulAdd(n.value, num(x, -kLn2Low), r);
  Value* sum = mulAdd(b_.CreateFMul(r, r), poly(kExpTail32, r), r);
  Value* mantissa = b_.CreateFAdd(sum, num(x, 1));
  if (Value* scaled = scaleByInstruction(mantissa, n.value)) return scaled;
  return wideRange ? scaleByPowerOfTwo(mantissa, n.integer) : b_.CreateFMul(mantissa, powerOfTwo(n.integer, x));
}

llvm::Value* LaneMath::exp32(Value* x) {
  // Beyond these the result is 0 or infinite, and so is that of the bound. NaN passes both comparisons.
  Value* low = num(x, -104);
  Value* high = num(x, 89);
  Value* clamped = b_.CreateSelect(b_.CreateFCmpOLT(x, low), low, x);
  clamped = b_.CreateSelect(b_.CreateFCmpOGT(clamped, high), high, clamped);
  return exp32Core(clamped, /*wideRange=*/true);
}

// For 0 ≤ x ≤ 20 or NaN, without cancellation: 2^n - 1 is exact where it matters.
llvm::Value* LaneMath::expm1Positive32(Value* x) {
  Rounded n = roundSmall(x, kLog2OfE);
  Value* r = mulAdd(n.value, num(x, -kLn2High), x);
  r = mulAdd(n.value, num(x, -kLn2Low), r);
  Value* small = mulAdd(b_.CreateFMul(r, r), poly(kExpTail32, r), r);
  Value* power = powerOfTwo(n.integer, x);
  return mulAdd(power, small, b_.CreateFSub(power, num(x, 1)));
}

// tanh |x| = (e - 1) / (e + 1), e = exp 2|x|.
llvm::Value* LaneMath::tanh32(Value* x) {
  Value* twice = b_.CreateFMul(fabs(x), num(x, 2));
  Value* high = num(x, 20);  // where the result has become 1
  twice = b_.CreateSelect(b_.CreateFCmpOGT(twice, high), high, twice);
  Value* numerator = expm1Positive32(twice);
  return copySign(b_.CreateFDiv(numerator, b_.CreateFAdd(numerator, num(x, 2))), x);
}

llvm::Value* LaneMath::log32(Value* x) {
  Log2Parts parts = splitExponent(x);
  Value* f = b_.CreateFSub(parts.mantissa, num(x, 1));
  Value* square = b_.CreateFMul(f, f);
  Value* y = b_.CreateFMul(b_.CreateFMul(f, square), poly(kLogTail32, f));
  y = mulAdd(parts.exponent, num(x, kLn2Low), y);
  y = mulAdd(num(x, -0.5), square, y);
  y = b_.CreateFAdd(f, y);
  return finishLog(mulAdd(parts.exponent, num(x, kLn2High), y), x);
}

// A polynomial up to 0.92; beyond, 1 - exp of the polynomial of log erfc.
llvm::Value* LaneMath::erf32(Value* x) {
  Value* a = fabs(x);
  Value* high = num(x, 4);  // where the result has become 1
  Value* clamped = b_.CreateSelect(b_.CreateFCmpOGT(a, high), high, a);
  Value* large = b_.CreateFSub(num(x, 1), exp32Core(poly(kLogErfc32, clamped), /*wideRange=*/false));
  Value* small = mulAdd(a, poly(kErfTail32, b_.CreateFMul(a, a)), a);
  return copySign(b_.CreateSelect(b_.CreateFCmpOLT(a, num(x, 0.92)), small, large), x);
}

}  // namespace shardwright
