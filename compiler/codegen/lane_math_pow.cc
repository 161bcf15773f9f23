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
  Value* high = b.CreateFMul(x, y);
  if (traits_.fusedMultiplyAdd) return {high, mulAdd(x, y, b.CreateFNeg(high))};
  auto split = [&](Value* v) -> Pair {
    Value* top = fromBits(b.CreateAnd(bits(v), intNum(bits(v), ~0ull << 27)), v);
    return {top, b.CreateFSub(v, top)};
  };
  Pair p = split(x), q = split(y);
  Value* low = b.CreateFSub(b.CreateFMul(p.high, q.high), high);
  low = b.CreateFAdd(low, b.CreateFMul(p.high, q.low));
  low = b.CreateFAdd(low, b.CreateFMul(p.low, q.high));
  return {high, b.CreateFAdd(low, b.CreateFMul(p.low, q.low))};
}

// log m = 2 atanh s as in log64, with s and the leading terms in two parts.
LaneMath::Pair LaneMath::logPair64(Value* x) {
  Log2Parts parts = splitExponent(x);
  Value* f = b.CreateFSub(parts.mantissa, num(x, 1));
  Value* g = b.CreateFAdd(parts.mantissa, num(x, 1));
  Value* gLow = b.CreateFSub(parts.mantissa, b.CreateFSub(g, num(x, 1)));
  Value* s = b.CreateFDiv(f, g);
  // What is left of f after s g, over g, completes s.
  Pair back = product(s, g);
  Value* left = b.CreateFSub(b.CreateFSub(f, back.high), back.low);
  Value* sLow = b.CreateFDiv(b.CreateFSub(left, b.CreateFMul(s, gLow)), g);
  Value* z = b.CreateFMul(s, s);
  Value* tail = b.CreateFMul(b.CreateFMul(s, z), poly(kAtanhTail64, z));
  // exponent·ln2High + 2 s, largest first, then everything small.
  Value* big = b.CreateFMul(parts.exponent, num(x, kLn2High));
  Value* twice = b.CreateFMul(s, num(x, 2));
  Value* sum = b.CreateFAdd(big, twice);
  Value* lost = b.CreateFSub(twice, b.CreateFSub(sum, big));
  Value* small = b.CreateFAdd(lost, b.CreateFMul(sLow, num(x, 2)));
  small = mulAdd(parts.exponent, num(x, kLn2Low), small);
  // The tail reaches 1 % of the sum: it is added with its rounding kept.
  Value* high = b.CreateFAdd(sum, tail);
  Value* tailLost = b.CreateFSub(tail, b.CreateFSub(high, sum));
  return {high, b.CreateFAdd(tailLost, small)};
}

// x^y for finite x > 0, as a double.
llvm::Value* LaneMath::powPositive(Value* x, Value* y) {
  Pair logarithm = logPair64(x);
  // Beyond ±2^12 the result is 0, 1 or infinite for every y that is not tiny; the bound keeps the products finite.
  Value* bound = num(y, 0x1p900);
  Value* safe = b.CreateSelect(b.CreateFCmpOGT(y, bound), bound, y);
  safe = b.CreateSelect(b.CreateFCmpOLT(safe, b.CreateFNeg(bound)), b.CreateFNeg(bound), safe);
  Pair exponent = product(safe, logarithm.high);
  Value* low = mulAdd(safe, logarithm.low, exponent.low);
  Value* high = b.CreateFAdd(exponent.high, low);
  low = b.CreateFSub(low, b.CreateFSub(high, exponent.high));
  Value* large = b.CreateFCmpOGT(fabs(high), num(y, 1e4));
  return expSum64(high, b.CreateSelect(large, num(y, 0), low));
}

// Where |y| is whole and at most 31, x^y by squaring, which is exact where the products are; elsewhere `otherwise`.
llvm::Value* LaneMath::smallIntegerPower(Value* x, Value* y, Value* otherwise) {
  Value* a = fabs(y);
  Value* n = roundSmall(a, 1).integer;
  Value* power = num(x, 1);
  Value* square = x;
  for (int bit = 0; bit < 5; ++bit) {
    Value* set = b.CreateICmpNE(b.CreateAnd(n, intNum(n, 1u << bit)), intNum(n, 0));
    power = b.CreateSelect(set, b.CreateFMul(power, square), power);
    if (bit < 4) square = b.CreateFMul(square, square);
  }
  Value* whole = b.CreateFCmpOEQ(round(a, llvm::Intrinsic::trunc), a);
  Value* small = b.CreateAnd(whole, b.CreateFCmpOLE(a, num(y, 31)));
  // The inverse of a power that overflows may be denormal.
  Value* negative = b.CreateFCmpOLT(y, num(y, 0));
  Value* lost = b.CreateAnd(negative, b.CreateFCmpOGT(fabs(power), num(x, 0x1p1000)));
  power = b.CreateSelect(negative, b.CreateFDiv(num(x, 1), power), power);
  return b.CreateSelect(b.CreateAnd(small, b.CreateNot(lost)), power, otherwise);
}

llvm::Value* LaneMath::pow(Value* x, Value* y) {
  if (x->getType()->getScalarType()->isFloatTy()) return toFloat(pow(toDouble(x), toDouble(y)));
  double infinity = std::numeric_limits<double>::infinity();
  Value *zero = num(x, 0), *one = num(x, 1), *top = num(x, infinity);
  Value* a = fabs(x);
  Value* magnitude = powPositive(a, y);
  Value* whole = b.CreateFCmpOEQ(round(y, llvm::Intrinsic::trunc), y);
  Value* half = b.CreateFMul(y, num(y, 0.5));
  Value* odd = b.CreateAnd(whole, b.CreateFCmpONE(round(half, llvm::Intrinsic::trunc), half));

  // The ends: 0, infinity and 1 to any power.
  Value* growing = b.CreateFCmpOGT(y, zero);
  Value* isZero = b.CreateFCmpOEQ(a, zero);
  Value* isTop = b.CreateFCmpOEQ(a, top);
  magnitude = b.CreateSelect(isZero, b.CreateSelect(growing, zero, top), magnitude);
  magnitude = b.CreateSelect(isTop, b.CreateSelect(growing, top, zero), magnitude);
  magnitude = b.CreateSelect(b.CreateFCmpOEQ(a, one), one, magnitude);

  Value* negative = b.CreateICmpSLT(bits(x), intNum(bits(x), 0));
  Value* result = b.CreateSelect(b.CreateAnd(negative, odd), b.CreateFNeg(magnitude), magnitude);
  Value* noRoot = b.CreateAnd(b.CreateFCmpOLT(x, zero), b.CreateAnd(b.CreateNot(whole), b.CreateFCmpOLT(a, top)));
  result = b.CreateSelect(noRoot, num(x, std::nan("")), result);
  Value* ordinary = b.CreateAnd(b.CreateNot(isZero), b.CreateFCmpOLT(a, top));
  result = b.CreateSelect(ordinary, smallIntegerPower(x, y, result), result);

  result = b.CreateSelect(b.CreateFCmpUNO(x, y), num(x, std::nan("")), result);
  Value* alwaysOne = b.CreateOr(b.CreateFCmpOEQ(y, zero), b.CreateFCmpOEQ(x, one));
  return b.CreateSelect(alwaysOne, one, result);
}

llvm::Value* LaneMath::powConstant(Value* x, double y) {
  Value* one = num(x, 1);
  // A zero is added so that the root of -0 is 0; the root of -infinity is to be infinity.
  auto root = [&] {
    double infinity = std::numeric_limits<double>::infinity();
    Value* low = b.CreateFCmpOEQ(x, num(x, -infinity));
    return b.CreateSelect(low, num(x, infinity), sqrt(b.CreateFAdd(x, num(x, 0))));
  };
  if (y == 0) return one;
  if (y == 1) return x;
  if (y == -1) return b.CreateFDiv(one, x);
  if (y == 0.5) return root();
  if (y == -0.5) return b.CreateFDiv(one, root());
  if (y == -2) {
    Value* inverse = b.CreateFDiv(one, x);  // first: the square of a small x may be denormal
    return b.CreateFMul(inverse, inverse);
  }
  if (y == 2 || y == 3 || y == 4) {
    Value* square = b.CreateFMul(x, x);
    return y == 2 ? square : b.CreateFMul(square, y == 3 ? x : square);
  }
  return pow(x, num(x, y));
}

// Long division in binary: while r ≥ d, subtract the largest d·2^k that is not above r; each difference is exact.
llvm::Value* LaneMath::fmod(Value* x, Value* y) {
  if (x->getType()->getScalarType()->isFloatTy()) return toFloat(fmod(toDouble(x), toDouble(y)));
  double infinity = std::numeric_limits<double>::infinity();
  Value* start = fabs(x);
  Value* divisor = fabs(y);
  Value* possible = b.CreateAnd(b.CreateFCmpOGT(divisor, num(x, 0)), b.CreateFCmpOLT(start, num(x, infinity)));
  // Denormals are brought up by 2^54, so that their exponents can be read.
  struct Scaled {
    Value *normal, *lift, *field;  // the exponent is field - lift
  };
  auto scaled = [&](Value* v) -> Scaled {
    Value* denormal = b.CreateFCmpOLT(v, num(v, 0x1p-1022));
    Value* normal = b.CreateSelect(denormal, b.CreateFMul(v, num(v, 0x1p54)), v);
    Value* pattern = bits(normal);
    Value* field = b.CreateAnd(b.CreateLShr(pattern, intNum(pattern, 52)), intNum(pattern, 0x7ff));
    return {normal, b.CreateSelect(denormal, intNum(field, 54), intNum(field, 0)), field};
  };
  Scaled unit = scaled(divisor);
  Value* least = b.CreateNeg(unit.lift);

  llvm::BasicBlock* before = b.GetInsertBlock();
  llvm::Function* function = before->getParent();
  auto* head = llvm::BasicBlock::Create(b.getContext(), "fmod", function);
  auto* body = llvm::BasicBlock::Create(b.getContext(), "fmod.step", function);
  auto* after = llvm::BasicBlock::Create(b.getContext(), "fmod.end", function);
  b.CreateBr(head);
  b.SetInsertPoint(head);
  llvm::PHINode* r = b.CreatePHI(start->getType(), 2);
  r->addIncoming(start, before);
  Value* active = b.CreateAnd(possible, b.CreateFCmpOGE(r, divisor));
  b.CreateCondBr(any(active), body, after);
  b.SetInsertPoint(body);
  Scaled rest = scaled(r);
  Value* steps = b.CreateSub(b.CreateSub(rest.field, rest.lift), unit.field);
  steps = b.CreateSelect(b.CreateICmpSLT(steps, least), least, steps);
  steps = b.CreateSelect(active, steps, intNum(steps, 0));
  Value* multiple = scaleByPowerOfTwo(unit.normal, steps);
  Value* above = b.CreateFCmpOGT(multiple, r);
  multiple = b.CreateSelect(above, b.CreateFMul(multiple, num(x, 0.5)), multiple);
  r->addIncoming(b.CreateSelect(active, b.CreateFSub(r, multiple), r), body);
  b.CreateBr(head);
  b.SetInsertPoint(after);
  Value* undefined = b.CreateOr(b.CreateFCmpUNO(x, y), b.CreateNot(possible));
  return b.CreateSelect(undefined, num(x, std::nan("")), copySign(r, x));
}

// By squaring, as long as some lane has bits of its exponent left.
llvm::Value* LaneMath::integerPow(Value* x, Value* y, bool isSigned) {
  Value *zero = intNum(x, 0), *one = intNum(x, 1), *minusOne = intNum(x, ~0ull);
  llvm::BasicBlock* before = b.GetInsertBlock();
  llvm::Function* function = before->getParent();
  auto* body = llvm::BasicBlock::Create(b.getContext(), "pow", function);
  auto* after = llvm::BasicBlock::Create(b.getContext(), "pow.end", function);
  b.CreateBr(body);
  b.SetInsertPoint(body);
  auto variable = [&](Value* start) {
    llvm::PHINode* phi = b.CreatePHI(x->getType(), 2);
    phi->addIncoming(start, before);
    return phi;
  };
  llvm::PHINode *result = variable(one), *square = variable(x), *left = variable(y);
  Value* set = b.CreateICmpNE(b.CreateAnd(left, one), zero);
  Value* next = b.CreateSelect(set, b.CreateMul(result, square), result);
  Value* rest = b.CreateLShr(left, one);
  result->addIncoming(next, body);
  square->addIncoming(b.CreateMul(square, square), body);
  left->addIncoming(rest, body);
  b.CreateCondBr(any(b.CreateICmpNE(rest, zero)), body, after);
  b.SetInsertPoint(after);
  if (!isSigned) return next;
  // x^-n: ±1 for x = ±1, by the parity that `next` has found as well; else 0.
  Value* unit = b.CreateOr(b.CreateICmpEQ(x, one), b.CreateICmpEQ(x, minusOne));
  Value* vanishes = b.CreateAnd(b.CreateICmpSLT(y, zero), b.CreateNot(unit));
  return b.CreateSelect(vanishes, zero, next);
}

}  // namespace shardwright
