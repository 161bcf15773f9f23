// Powers and remainders.
#include <cmath>

#include "compiler/codegen/lane_math_poly.h"
#include "compiler/codegen/polynomials.h"

namespace shardwright {
namespace {

constexpr double kLn2High = 0x1.62e42feep-1;  // its product with any exponent is exact
constexpr double kLn2Low = 0x1.a39ef35793c76p-33;

}  // namespace

// Without a fused instruction, Dekker's: halves of 26 bits whose products are exact.
LaneMath::Pair LaneMath::product(Value* x, Value* y) {
  Value* high = b_.CreateFMul(x, y);
  if (traits_.fusedMultiplyAdd) return {high, mulAdd(x, y, b_.CreateFNeg(high))};
  auto split = [&](Value* v) -> Pair {
    Value* top = fromBits(b_.CreateAnd(bits(v), intNum(bits(v), ~0ull << 27)), v);
    return {top, b_.CreateFSub(v, top)};
  };
  Pair p = split(x), q = split(y);
  Value* low = b_.CreateFSub(b_.CreateFMul(p.high, q.high), high);
  low = b_.CreateFAdd(low, b_.CreateFMul(p.high, q.low));
  low = b_.CreateFAdd(low, b_.CreateFMul(p.low, q.high));
  return {high, b_.CreateFAdd(low, b_.CreateFMul(p.low, q.low))};
}

// log m = 2 atanh s as in log64, with s and the leading terms in two parts.
LaneMath::Pair LaneMath::logPair64(Value* x) {
  Log2Parts parts = splitExponent(x);
  Value* f = b_.CreateFSub(parts.mantissa, num(x, 1));
  Value* g = b_.CreateFAdd(parts.mantissa, num(x, 1));
  Value* gLow = b_.CreateFSub(parts.mantissa, b_.CreateFSub(g, num(x, 1)));
  Value* s = b_.CreateFDiv(f, g);
  // What is left of f after s g, over g, completes s.
  Pair back = product(s, g);
  Value* left = b_.CreateFSub(b_.CreateFSub(f, back.high), back.low);
  Value* sLow = b_.CreateFDiv(b_.CreateFSub(left, b_.CreateFMul(s, gLow)), g);
  Value* z = b_.CreateFMul(s, s);
  Value* tail = b_.CreateFMul(b_.CreateFMul(s, z), poly(kAtanhTail64, z));
  // exponent·ln2High + 2 s, largest first, then everything small.
  Value* big = b_.CreateFMul(parts.exponent, num(x, kLn2High));
  Value* twice = b_.CreateFMul(s, num(x, 2));
  Value* sum = b_.CreateFAdd(big, twice);
  Value* lost = b_.CreateFSub(twice, b_.CreateFSub(sum, big));
  Value* small = b_.CreateFAdd(lost, b_.CreateFMul(sLow, num(x, 2)));
  small = mulAdd(parts.exponent, num(x, kLn2Low), small);
  // The tail reaches 1 % of the sum: it is added with its rounding kept.
  Value* high = b_.CreateFAdd(sum, tail);
  Value* tailLost = b_.CreateFSub(tail, b_.CreateFSub(high, sum));
  return {high, b_.CreateFAdd(tailLost, small)};
}

// x^y for finite x > 0, as a double.
llvm::Value* LaneMath::powPositive(Value* x, Value* y) {
  Pair logarithm = logPair64(x);
  // Beyond ±2^12 the result is 0, 1 or infinite for every y that is not tiny; the bound keeps the products finite.
  Value* bound = num(y, 0x1p900);
  Value* safe = b_.CreateSelect(b_.CreateFCmpOGT(y, bound), bound, y);
  safe = b_.CreateSelect(b_.CreateFCmpOLT(safe, b_.CreateFNeg(bound)), b_.CreateFNeg(bound), safe);
  Pair exponent = product(safe, logarithm.high);
  Value* low = mulAdd(safe, logarithm.low, exponent.low);
  Value* high = b_.CreateFAdd(exponent.high, low);
  low = b_.CreateFSub(low, b_.CreateFSub(high, exponent.high));
  Value* large = b_.CreateFCmpOGT(fabs(high), num(y, 1e4));
  return expSum64(high, b_.CreateSelect(large, num(y, 0), low));
}

// Where |y| is whole and at most 31, x^y by squaring, which is exact where the products are; elsewhere `otherwise`.
llvm::Value* LaneMath::smallIntegerPower(Value* x, Value* y, Value* otherwise) {
  Value* a = fabs(y);
  Value* n = roundSmall(a, 1).integer;
  Value* power = num(x, 1);
  Value* square = x;
  for (int bit = 0; bit < 5; ++bit) {
    Value* set = b_.CreateICmpNE(b_.CreateAnd(n, intNum(n, 1u << bit)), intNum(n, 0));
    power = b_.CreateSelect(set, b_.CreateFMul(power, square), power);
    if (bit < 4) square = b_.CreateFMul(square, square);
  }
  Value* whole = b_.CreateFCmpOEQ(round(a, llvm::Intrinsic::trunc), a);
  Value* small = b_.CreateAnd(whole, b_.CreateFCmpOLE(a, num(y, 31)));
  // The inverse of a power that overflows may be denormal.
  Value* negative = b_.CreateFCmpOLT(y, num(y, 0));
  Value* lost = b_.CreateAnd(negative, b_.CreateFCmpOGT(fabs(power), num(x, 0x1p1000)));
  power = b_.CreateSelect(negative, b_.CreateFDiv(num(x, 1), power), power);
  return b_.CreateSelect(b_.CreateAnd(small, b_.CreateNot(lost)), power, otherwise);
}

llvm::Value* LaneMath::pow(Value* x, Value* y) {
  if (x->getType()->getScalarType()->isFloatTy()) return toFloat(pow(toDouble(x), toDouble(y)));
  double infinity = std::numeric_limits<double>::infinity();
  Value *zero = num(x, 0), *one = num(x, 1), *top = num(x, infinity);
  Value* a = fabs(x);
  Value* magnitude = powPositive(a, y);
  Value* whole = b_.CreateFCmpOEQ(round(y, llvm::Intrinsic::trunc), y);
  Value* half = b_.CreateFMul(y, num(y, 0.5));
  Value* odd = b_.CreateAnd(whole, b_.CreateFCmpONE(round(half, llvm::Intrinsic::trunc), half));

  // The ends: 0, infinity and 1 to any power.
  Value* growing = b_.CreateFCmpOGT(y, zero);
  Value* isZero = b_.CreateFCmpOEQ(a, zero);
  Value* isTop = b_.CreateFCmpOEQ(a, top);
  magnitude = b_.CreateSelect(isZero, b_.CreateSelect(growing, zero, top), magnitude);
  magnitude = b_.CreateSelect(isTop, b_.CreateSelect(growing, top, zero), magnitude);
  magnitude = b_.CreateSelect(b_.CreateFCmpOEQ(a, one), one, magnitude);

  Value* negative = b_.CreateICmpSLT(bits(x), intNum(bits(x), 0));
  Value* result = b_.CreateSelect(b_.CreateAnd(negative, odd), b_.CreateFNeg(magnitude), magnitude);
  Value* noRoot = b_.CreateAnd(b_.CreateFCmpOLT(x, zero), b_.CreateAnd(b_.CreateNot(whole), b_.CreateFCmpOLT(a, top)));
  result = b_.CreateSelect(noRoot, num(x, std::nan("")), result);
  Value* ordinary = b_.CreateAnd(b_.CreateNot(isZero), b_.CreateFCmpOLT(a, top));
  result = b_.CreateSelect(ordinary, smallIntegerPower(x, y, result), result);

  result = b_.CreateSelect(b_.CreateFCmpUNO(x, y), num(x, std::nan("")), result);
  Value* alwaysOne = b_.CreateOr(b_.CreateFCmpOEQ(y, zero), b_.CreateFCmpOEQ(x, one));
  return b_.CreateSelect(alwaysOne, one, result);
}

llvm::Value* LaneMath::powConstant(Value* x, double y) {
  Value* one = num(x, 1);
  // A zero is added so that the root of -0 is 0; the root of -infinity is to be infinity.
  auto root = [&] {
    double infinity = std::numeric_limits<double>::infinity();
    Value* low = b_.CreateFCmpOEQ(x, num(x, -infinity));
    return b_.CreateSelect(low, num(x, infinity), sqrt(b_.CreateFAdd(x, num(x, 0))));
  };
  if (y == 0) return one;
  if (y == 1) return x;
  if (y == -1) return b_.CreateFDiv(one, x);
  if (y == 0.5) return root();
  if (y == -0.5) return b_.CreateFDiv(one, root());
  if (y == -2) {
    Value* inverse = b_.CreateFDiv(one, x);  // first: the square of a small x may be denormal
    return b_.CreateFMul(inverse, inverse);
  }
  if (y == 2 || y == 3 || y == 4) {
    Value* square = b_.CreateFMul(x, x);
    return y == 2 ? square : b_.CreateFMul(square, y == 3 ? x : square);
  }
  return pow(x, num(x, y));
}

// Long division in binary: while r ≥ d, subtract the largest d·2^k that is not above r; each difference is exact.
llvm::Value* LaneMath::fmod(Value* x, Value* y) {
  if (x->getType()->getScalarType()->isFloatTy()) return toFloat(fmod(toDouble(x), toDouble(y)));
  double infinity = std::numeric_limits<double>::infinity();
  Value* start = fabs(x);
  Value* divisor = fabs(y);
  Value* possible = b_.CreateAnd(b_.CreateFCmpOGT(divisor, num(x, 0)), b_.CreateFCmpOLT(start, num(x, infinity)));
  // Denormals are brought up by 2^54, so that their exponents can be read.
  struct Scaled {
    Value *normal, *lift, *field;  // the exponent is field - lift
  };
  auto scaled = [&](Value* v) -> Scaled {
    Value* denormal = b_.CreateFCmpOLT(v, num(v, 0x1p-1022));
    Value* normal = b_.CreateSelect(denormal, b_.CreateFMul(v, num(v, 0x1p54)), v);
    Value* pattern = bits(normal);
    Value* field = b_.CreateAnd(b_.CreateLShr(pattern, intNum(pattern, 52)), intNum(pattern, 0x7ff));
    return {normal, b_.CreateSelect(denormal, intNum(field, 54), intNum(field, 0)), field};
  };
  Scaled unit = scaled(divisor);
  Value* least = b_.CreateNeg(unit.lift);

  llvm::BasicBlock* before = b_.GetInsertBlock();
  llvm::Function* function = before->getParent();
  auto* head = llvm::BasicBlock::Create(b_.getContext(), "fmod", function);
  auto* body = llvm::BasicBlock::Create(b_.getContext(), "fmod.step", function);
  auto* after = llvm::BasicBlock::Create(b_.getContext(), "fmod.end", function);
  b_.CreateBr(head);
  b_.SetInsertPoint(head);
  llvm::PHINode* r = b_.CreatePHI(start->getType(), 2);
  r->addIncoming(start, before);
  Value* active = b_.CreateAnd(possible, b_.CreateFCmpOGE(r, divisor));
  b_.CreateCondBr(any(active), body, after);
  b_.SetInsertPoint(body);
  Scaled rest = scaled(r);
  Value* steps = b_.CreateSub(b_.CreateSub(rest.field, rest.lift), unit.field);
  steps = b_.CreateSelect(b_.CreateICmpSLT(steps, least), least, steps);
  steps = b_.CreateSelect(active, steps, intNum(steps, 0));
  Value* multiple = scaleByPowerOfTwo(unit.normal, steps);
  Value* above = b_.CreateFCmpOGT(multiple, r);
  multiple = b_.CreateSelect(above, b_.CreateFMul(multiple, num(x, 0.5)), multiple);
  r->addIncoming(b_.CreateSelect(active, b_.CreateFSub(r, multiple), r), body);
  b_.CreateBr(head);
  b_.SetInsertPoint(after);
  Value* undefined = b_.CreateOr(b_.CreateFCmpUNO(x, y), b_.CreateNot(possible));
  return b_.CreateSelect(undefined, num(x, std::nan("")), copySign(r, x));
}

// By squaring, as long as some lane has bits of its exponent left.
llvm::Value* LaneMath::integerPow(Value* x, Value* y, bool isSigned) {
  Value *zero = intNum(x, 0), *one = intNum(x, 1), *minusOne = intNum(x, ~0ull);
  llvm::BasicBlock* before = b_.GetInsertBlock();
  llvm::Function* function = before->getParent();
  auto* body = llvm::BasicBlock::Create(b_.getContext(), "pow", function);
  auto* after = llvm::BasicBlock::Create(b_.getContext(), "pow.end", function);
  b_.CreateBr(body);
  b_.SetInsertPoint(body);
  auto variable = [&](Value* start) {
    llvm::PHINode* phi = b_.CreatePHI(x->getType(), 2);
    phi->addIncoming(start, before);
    return phi;
  };
  llvm::PHINode *result = variable(one), *square = variable(x), *left = variable(y);
  Value* set = b_.CreateICmpNE(b_.CreateAnd(left, one), zero);
  Value* next = b_.CreateSelect(set, b_.CreateMul(result, square), result);
  Value* rest = b_.CreateLShr(left, one);
  result->addIncoming(next, body);
  square->addIncoming(b_.CreateMul(square, square), body);
  left->addIncoming(rest, body);
  b_.CreateCondBr(any(b_.CreateICmpNE(rest, zero)), body, after);
  b_.SetInsertPoint(after);
  if (!isSigned) return next;
  // x^-n: ±1 for x = ±1, by the parity that `next` has found as well; else 0.
  Value* unit = b_.CreateOr(b_.CreateICmpEQ(x, one), b_.CreateICmpEQ(x, minusOne));
  Value* vanishes = b_.CreateAnd(b_.CreateICmpSLT(y, zero), b_.CreateNot(unit));
  return b_.CreateSelect(vanishes, zero, next);
}

}  // namespace shardwright
