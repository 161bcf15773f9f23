#include "compiler/ops/slicing.h"

#include "compiler/ops/shape_functions.h"

#include <limits>

namespace shardwright {
namespace {

// Exporters write "to the end" as the largest number of 64 or 32 bits.
constexpr int64_t kFar = std::numeric_limits<int32_t>::max() - 1;

// Of a bound 64 - s, from the end of a table of 64 positions, or s - 5: takes it to count from the dim's start, so that s is at most
// 64, or at least 5. False if it is of no such form.
bool isTakenFromStart(const OpView& op, Expr bound) {
  if (bound.symbols().size() != 1) return false;
  const Expr symbol = Expr::symbol(*bound.symbols().begin());
  if (const Expr most = bound + symbol; most.isConstant()) {
    op.assumeEqual(symbol, Expr::min(symbol, most));
  } else if (const Expr least = symbol - bound; least.isConstant()) {
    op.assumeEqual(least, Expr::min(symbol, least));
  } else {
    return false;
  }
  return true;
}

// The bound counted from 0 and clamped to [low, high]: a negative one counts from the dim's end.
std::optional<Expr> resolvedBound(const OpView& op, Expr bound, Expr dim, Expr low, Expr high) {
  const Facts& facts = op.facts();
  if (std::optional<int64_t> number = bound.constant()) {
    if (*number >= kFar) return high;
    if (*number <= -kFar) return low;
    if (*number < 0) bound = dim + bound;
  } else if (facts.upperBound(bound) < 0) {
    bound = dim + bound;
  } else if (facts.lowerBound(bound) < 0 && !isTakenFromStart(op, bound)) {
    return std::nullopt;
  }
  return facts.simplify(Expr::min(Expr::max(bound, low), high));
}

}  // namespace

// Worked example: dim 7, starts -1, ends -9 (before the beginning), step -3: start is 7 - 1 = 6, end is -1, and
// ceil((6 - -1) / 3) = 3 elements are taken, 6, 3 and 0.
StatusOr<std::vector<DimSlice>> slicesOf(const OpView& op) {
  const Exprs dims = op.dims(0);
  std::vector<DimSlice> slices(dims.size());
  for (size_t i = 0; i < dims.size(); ++i) slices[i].count = dims[i];
  const std::optional<Exprs> starts = op.value(1), ends = op.value(2);
  if (!starts || !ends) return nodeError(op, "has bounds that depend on data; only bounds from sizes are supported");
  std::vector<int64_t> axes(starts->size()), steps(starts->size(), 1);
  for (size_t i = 0; i < axes.size(); ++i) axes[i] = static_cast<int64_t>(i);
  if (auto given = op.constantInts(3)) axes = *given;
  if (auto given = op.constantInts(4)) steps = *given;
  if (ends->size() != axes.size() || steps.size() != axes.size() || axes.size() != starts->size())
    return nodeError(op, "has starts, ends, axes and steps of different lengths");
  for (size_t i = 0; i < axes.size(); ++i) {
    SW_ASSIGN_OR_RETURN(const int axis, normalizedAxis(op, axes[i], op.rank(0)));
    const int64_t step = steps[i];
    if (step == 0) return nodeError(op, "has a step of 0 on axis " + std::to_string(axis));
    const Expr dim = dims[axis], low = step > 0 ? Expr(0) : Expr(-1), high = step > 0 ? dim : dim - Expr(1);
    const auto start = resolvedBound(op, (*starts)[i], dim, step > 0 ? low : Expr(0), high);
    const auto end = resolvedBound(op, (*ends)[i], dim, low, high);
    if (!start || !end)
      return nodeError(op, "has the bounds " + (*starts)[i].str() + " and " + (*ends)[i].str() + " on axis " +
                               std::to_string(axis) +
                               ", which may be negative or not; give the symbols ranges (--dim, --max)");
    const Expr length = step > 0 ? *end - *start : *start - *end;
    DimSlice& slice = slices[axis];
    slice.start = *start;
    slice.step = step;
    slice.count = op.facts().simplify(Expr::max(Expr::ceilDiv(length, Expr(std::abs(step))), Expr(0)));
    slice.isWhole = step == 1 && slice.start == Expr(0) && op.facts().provablyEqual(slice.count, dim);
  }
  return slices;
}

}  // namespace shardwright
