#include "compiler/ops/size_fractions.h"

#include <algorithm>
#include <cmath>

#include "compiler/onnx/onnx_dialect.h"
#include "compiler/ops/row.h"

namespace shardwright {
namespace {

constexpr int64_t kMostElements = 64;
constexpr int64_t kLargestDivisor = int64_t{1} << 40;
// What a symbol without a bound is assumed to be at most, so that a float holds it and small multiples of it.
constexpr int64_t kLargestSize = int64_t{1} << 22;

struct Fraction {
  Expr numerator;
  int64_t divisor = 1;
};

// Sizes are few: what is larger is data.
bool isSmall(const Exprs& dims) {
  int64_t count = 1;
  for (const Expr& dim : dims) {
    const std::optional<int64_t> size = dim.constant();
    if (!size || *size > kMostElements || (count *= *size) > kMostElements) return false;
  }
  return true;
}

bool isComputed(DType type) { return type == DType::kFloat32 || type == DType::kFloat64; }

// Up to this every whole number is a float of the type.
int64_t largestExact(DType type) { return int64_t{1} << (type == DType::kFloat32 ? 24 : 53); }

std::optional<Fraction> fractionOf(double value) {
  int64_t divisor = 1;
  while (value != std::floor(value) && divisor < kLargestDivisor) value *= 2, divisor *= 2;
  if (value != std::floor(value) || std::abs(value) > static_cast<double>(int64_t{1} << 53)) return std::nullopt;
  return Fraction{static_cast<int64_t>(value), divisor};
}

double valueOf(int64_t numerator, int64_t divisor) {
  return static_cast<double>(numerator) / static_cast<double>(divisor);
}

double rounded(double value, DType type) {
  return type == DType::kFloat32 ? static_cast<double>(static_cast<float>(value)) : value;
}

// Whether e is within ±limit, where need be because its symbols are assumed to be bounded.
bool isWithin(const OpView& op, Expr e, int64_t limit) {
  auto holds = [&](const Facts& facts) { return facts.lowerBound(e) >= -limit && facts.upperBound(e) <= limit; };
  if (holds(op.facts())) return true;
  Facts bounded = op.facts();
  std::vector<Expr> open;
  for (const std::string& symbol : e.symbols()) {
    SymbolRange range = op.facts().range(symbol);
    if (range.max <= kLargestSize) continue;
    range.max = kLargestSize;
    bounded.setRange(symbol, range);
    open.push_back(Expr::symbol(symbol));
  }
  if (!op.canAssume() || !holds(bounded)) return false;
  for (const Expr& symbol : open) op.assumeEqual(symbol, Expr::min(symbol, kLargestSize));
  return true;
}

SizeFractions overOneDivisor(const std::vector<Fraction>& fractions) {
  SizeFractions all;
  for (const Fraction& fraction : fractions) all.divisor = std::max(all.divisor, fraction.divisor);
  for (const Fraction& fraction : fractions)
    all.numerators.push_back(fraction.numerator * Expr(all.divisor / fraction.divisor));
  return all;
}

// All over one divisor; nothing where the result's type cannot hold one.
std::optional<SizeFractions> together(const OpView& op, std::vector<Fraction> fractions) {
  for (Fraction& fraction : fractions) {
    fraction.numerator = op.facts().simplify(fraction.numerator);
    if (!isWithin(op, fraction.numerator, largestExact(op.result(0).dtype))) return std::nullopt;
  }
  return overOneDivisor(fractions);
}

// Numbers are computed as the model would, in its floats; other sizes exactly, by `exact`.
template <typename Compute, typename Exact>
std::optional<SizeFractions> elementwise(const OpView& op, Compute compute, Exact exact) {
  const DType type = op.result(0).dtype;
  const std::optional<SizeFractions> a = isComputed(type) ? sizeFractions(op, 0) : std::nullopt;
  const std::optional<SizeFractions> b = a ? sizeFractions(op, 1) : std::nullopt;
  if (!b) return std::nullopt;
  const size_t count = std::max(a->numerators.size(), b->numerators.size());
  if (std::min(a->numerators.size(), b->numerators.size()) != 1 && (op.dims(0) != op.dims(1))) return std::nullopt;
  std::vector<Fraction> results;
  for (size_t i = 0; i < count; ++i) {
    auto at = [&](const SizeFractions& all) {
      return Fraction{all.numerators[all.numerators.size() == 1 ? 0 : i], all.divisor};
    };
    const Fraction x = at(*a), y = at(*b);
    std::optional<Fraction> result;
    if (x.numerator.isConstant() && y.numerator.isConstant())
      result = fractionOf(rounded(
          compute(valueOf(*x.numerator.constant(), x.divisor), valueOf(*y.numerator.constant(), y.divisor)), type));
    else
      result = exact(x, y);
    if (!result || result->divisor > kLargestDivisor) return std::nullopt;
    results.push_back(*result);
  }
  return together(op, results);
}

// a + Sign·b.
template <int Sign>
std::optional<SizeFractions> sum(const OpView& op) {
  return elementwise(
      op, [](double a, double b) { return a + Sign * b; },
      [](const Fraction& a, const Fraction& b) -> std::optional<Fraction> {
        const SizeFractions both = overOneDivisor({a, {b.numerator * Expr(Sign), b.divisor}});
        return Fraction{both.numerators[0] + both.numerators[1], both.divisor};
      });
}

template <typename Exact>
std::optional<SizeFractions> rounding(const OpView& op, Exact exact) {
  const std::optional<SizeFractions> x = sizeFractions(op, 0);
  if (!x) return std::nullopt;
  SizeFractions result;
  for (const Expr& numerator : x->numerators)
    result.numerators.push_back(op.facts().simplify(exact(numerator, x->divisor)));
  return result;
}

std::optional<SizeFractions> ofConstant(ConstantOp constant) {
  mlir::DenseElementsAttr elements = constant.value();
  std::vector<Fraction> fractions;
  for (llvm::APFloat value : elements.getValues<llvm::APFloat>()) {
    bool losesInfo = false;
    value.convert(llvm::APFloat::IEEEdouble(), llvm::APFloat::rmNearestTiesToEven, &losesInfo);
    const std::optional<Fraction> fraction = fractionOf(value.convertToDouble());
    if (!fraction) return std::nullopt;
    fractions.push_back(*fraction);
  }
  return overOneDivisor(fractions);
}

// Elements that the op moves: inferValue's, of numerators over one divisor.
std::optional<SizeFractions> moved(const OpView& op, const Row& row) {
  SizeFractions result;
  for (int i = 0; i < op.numOperands(); ++i) {
    if (!isFloat(op.dtype(i))) continue;
    const std::optional<SizeFractions> fractions = sizeFractions(op, i);
    if (!fractions) return std::nullopt;
    result.divisor = std::max(result.divisor, fractions->divisor);
  }
  std::optional<Exprs> numerators = row.inferValue(op.overDivisor(result.divisor));
  if (!numerators) return std::nullopt;
  result.numerators = std::move(*numerators);
  return result;
}

}  // namespace

std::optional<SizeFractions> sizeFractions(const OpView& op, int operand) {
  if (!op.has(operand) || !isFloat(op.dtype(operand)) || !isSmall(op.dims(operand))) return std::nullopt;
  mlir::Operation* from = op.operation()->getOperand(operand).getDefiningOp();
  if (!from) return std::nullopt;
  if (auto constant = mlir::dyn_cast<ConstantOp>(from)) return ofConstant(constant);
  const Row* row = rowOf(from);
  if (!row || from->getNumResults() != 1) return std::nullopt;
  const OpView view = op.of(from);
  if (row->inferFractions) return row->inferFractions(view);
  return row->valueMoves ? moved(view, *row) : std::nullopt;
}

std::optional<SizeFractions> castFractions(const OpView& op) {
  if (!isComputed(op.result(0).dtype)) return std::nullopt;
  if (isFloat(op.dtype(0))) {
    const std::optional<SizeFractions> x = sizeFractions(op, 0);
    if (!x) return std::nullopt;
    std::vector<Fraction> fractions;
    for (const Expr& numerator : x->numerators) fractions.push_back({numerator, x->divisor});
    return together(op, fractions);
  }
  const std::optional<Exprs> numbers = op.value(0);
  if (!numbers) return std::nullopt;
  std::vector<Fraction> fractions;
  for (const Expr& number : *numbers) fractions.push_back({number, 1});
  return together(op, fractions);
}

std::optional<SizeFractions> addFractions(const OpView& op) { return sum<1>(op); }
std::optional<SizeFractions> subFractions(const OpView& op) { return sum<-1>(op); }

std::optional<SizeFractions> mulFractions(const OpView& op) {
  return elementwise(
      op, [](double a, double b) { return a * b; },
      [](const Fraction& a, const Fraction& b) -> std::optional<Fraction> {
        if (a.divisor > kLargestDivisor / b.divisor) return std::nullopt;
        return Fraction{a.numerator * b.numerator, a.divisor * b.divisor};
      });
}

std::optional<SizeFractions> divFractions(const OpView& op) {
  return elementwise(
      op, [](double a, double b) { return a / b; },
      [](const Fraction& a, const Fraction& b) -> std::optional<Fraction> {
        // By a power of two only: other quotients are rounded.
        const std::optional<int64_t> by = b.numerator.constant();
        if (!by || *by <= 0 || (*by & (*by - 1)) != 0 || a.divisor > kLargestDivisor / *by) return std::nullopt;
        return Fraction{a.numerator * Expr(b.divisor), a.divisor * *by};
      });
}

std::optional<SizeFractions> floorFractions(const OpView& op) {
  return rounding(op, [](Expr numerator, int64_t divisor) { return Expr::floorDiv(numerator, divisor); });
}

std::optional<SizeFractions> ceilFractions(const OpView& op) {
  return rounding(
      op, [](Expr numerator, int64_t divisor) { return Expr::floorDiv(numerator + Expr(divisor - 1), divisor); });
}

std::optional<Exprs> truncated(const OpView& op, const SizeFractions& fractions) {
  Exprs whole;
  for (const Expr& numerator : fractions.numerators) {
    const std::optional<int64_t> number = numerator.constant();
    if (!number && fractions.divisor != 1 && op.facts().lowerBound(numerator) < 0) return std::nullopt;
    whole.push_back(number ? Expr(*number / fractions.divisor)
                           : op.facts().simplify(Expr::floorDiv(numerator, fractions.divisor)));
  }
  return whole;
}

}  // namespace shardwright
