// Owns mathematical functions as LLVM IR: polynomials over a float, a double, or a vector of either, lane by lane and
// without calls. It knows neither dtypes narrower than float32 nor loops over operands.
//
// Error in float32: at most 4 ulp everywhere. In float64: about 1e-14 relative; but sin, cos and tan of float64 arguments
// beyond 1e6 lose one bit for every further factor of two, until beyond 2^51 all that is left is that they lie in [-1, 1].
// NaN goes in, NaN comes out; infinities, zeros with their sign and denormals as in C's library. A result depends only on
// its own lane, and is the same for every width.
#pragma once

#include "compiler/codegen/loop_nest.h"
#include "compiler/codegen/target_traits.h"
#include "llvm/IR/IRBuilder.h"

namespace shardwright {

class LaneMath {
 public:
  LaneMath(llvm::IRBuilder<>& builder, const TargetTraits& traits) : b_(builder), traits_(traits) {}

  // One of the float unary operations kSqrt … kRound, by the type of x.
  llvm::Value* unary(ScalarOp op, llvm::Value* x);
  llvm::Value* pow(llvm::Value* x, llvm::Value* y);
  // x to a power known now; exact where a product of x's is.
  llvm::Value* powConstant(llvm::Value* x, double y);
  // Exact remainder with the sign of x, for |x| and |y| of any ratio.
  llvm::Value* fmod(llvm::Value* x, llvm::Value* y);
  // Wraps; 0 for negative exponents but of 1 and -1.
  llvm::Value* integerPow(llvm::Value* x, llvm::Value* y, bool isSigned);

  // a·b + c, in one rounding where the target can.
  llvm::Value* mulAdd(llvm::Value* a, llvm::Value* b, llvm::Value* c);
  // NaN if either is.
  llvm::Value* minimum(llvm::Value* x, llvm::Value* y);
  llvm::Value* maximum(llvm::Value* x, llvm::Value* y);

 private:
  using Value = llvm::Value;
  using Type = llvm::Type;

  // Primitives; a `type` or `like` says how many lanes.
  static Type* lanesOf(Type* like, Type* scalar);
  Type* intTypeOf(Value* x);
  Value* num(Value* like, double value);
  Value* intNum(Value* like, uint64_t value);
  Value* bits(Value* x);                   // the same bits as integers
  Value* fromBits(Value* x, Value* like);  // and back
  Value* fabs(Value* x);
  Value* copySign(Value* magnitude, Value* sign);
  Value* sqrt(Value* x);
  Value* round(Value* x, llvm::Intrinsic::ID how);
  Value* isNaN(Value* x);
  Value* toDouble(Value* x);
  Value* toFloat(Value* x);
  Value* any(Value* condition);  // of all lanes, as one i1
  template <size_t N>
  Value* poly(const double (&coefficients)[N], Value* x);  // Σ c[i]·x^i

  // round(x), as a float and in the low bits of an integer; |x| < 2^22 (float), 2^51 (double).
  struct Rounded {
    Value *value, *integer;
  };
  Rounded roundSmall(Value* x, double scale);
  Value* scaleByPowerOfTwo(Value* x, Value* n);  // x·2^n, rounded once, also into denormals; n an integer
  // The same with n as a float, in one instruction where there is one for so many lanes; null where not.
  Value* scaleByInstruction(Value* x, Value* n);
  Value* powerOfTwo(Value* n, Value* like);  // 2^n, n within the normal exponents
  struct Log2Parts {
    Value *exponent, *mantissa;  // mantissa in [√½, √2); the exponent as a float
  };
  Log2Parts splitExponent(Value* x);
  Value* finishLog(Value* result, Value* x);

  Value* exp32(Value* x);
  Value* exp32Core(Value* x, bool wideRange);
  Value* expm1Positive32(Value* x);
  Value* log32(Value* x);
  Value* erf32(Value* x);
  Value* tanh32(Value* x);

  struct ExpParts {
    Value *n, *reduced, *tail;  // exp(x) = 2^n (1 + reduced + tail)
  };
  ExpParts expParts64(Value* x);
  Value* exp64(Value* x);
  Value* expSum64(Value* high, Value* low);
  Value* expm1Of64(Value* x);
  Value* log64(Value* x);
  Value* log1p64(Value* x);
  Value* erf64(Value* x);
  Value* asinCore64(Value* x);  // |x| ≤ 1/2
  Value* unary64(ScalarOp op, Value* x);
  Value* asin64(Value* x);
  Value* acos64(Value* x);
  Value* atan64(Value* x);
  Value* halfExp64(Value* x);  // exp(x) / 2, which overflows later
  Value* sinh64(Value* x);
  Value* cosh64(Value* x);
  Value* asinh64(Value* x);
  Value* acosh64(Value* x);
  Value* atanh64(Value* x);
  Value* tanh64(Value* x);
  Value* sigmoid(Value* x);

  // x = quadrant·π/2 + angle, |angle| ≤ π/4; the angle as a double, the quadrant's two low bits count.
  struct Reduced {
    Value *angle, *quadrant;
  };
  Reduced reduceAngle(Value* x);
  Reduced reduceHugeFloat(Value* x);
  Value* sinCos(ScalarOp op, Value* x);
  Value* tan(Value* x);
  Value* tinyItself(Value* x, Value* result);

  struct Pair {
    Value *high, *low;
  };
  Pair product(Value* a, Value* b);  // exactly
  Pair logPair64(Value* x);          // log of x > 0 in about 65 bits
  Value* powPositive(Value* x, Value* y);
  Value* smallIntegerPower(Value* x, Value* y, Value* otherwise);

  llvm::IRBuilder<>& b_;
  TargetTraits traits_;
};

}  // namespace shardwright
