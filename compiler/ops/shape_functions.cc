#include "compiler/ops/shape_functions.h"

#include "compiler/ops/reshape_factors.h"

#include <algorithm>

namespace shardwright {
namespace {

bool isOne(Expr e) { return e == Expr(1); }

// The size of x[-1:], which is 1 or, of an x without elements, 0; where it meets another size it is to be 1. Local sizes, which
// say coordinates, may be 0 on some rank.
bool isLastOne(Expr e, const Facts& facts) {
  auto isCoordinate = [](const std::string& symbol) { return symbol[0] == '@'; };
  return !e.isConstant() && llvm::none_of(e.symbols(), isCoordinate) && facts.upperBound(e) <= 1;
}

std::optional<Expr> broadcastDim(Expr a, Expr b, const Facts& facts) {
  if (a == b || isOne(b)) return a;
  if (isOne(a)) return b;
  if (a.isConstant() && b.isConstant()) return std::nullopt;
  if (a.isConstant()) return a;
  if (b.isConstant()) return b;
  if (provablyDifferent(a, b, facts)) return std::nullopt;
  return Expr::compare(a, b) <= 0 ? a : b;
}

}  // namespace

std::string str(llvm::ArrayRef<Expr> dims) {
  std::string text = "[";
  for (size_t i = 0; i < dims.size(); ++i) text += (i ? ", " : "") + dims[i].str();
  return text + "]";
}

bool provablyDifferent(Expr a, Expr b, const Facts& facts) {
  const Expr difference = facts.simplify(a - b);
  return facts.lowerBound(difference) > 0 || facts.upperBound(difference) < 0;
}

Status nodeError(const OpView& op, const std::string& what) {
  return userError(op.operation()->getName().stripDialect().str() + ": " + what);
}

Status inferResults(const OpView& op, const Row& row, ResultShapes& results) {
  if (row.infer) return row.infer(op, results);
  return allResults(op, op.operand(0), results);
}

Status allResults(const OpView& op, const TensorShape& shape, ResultShapes& results) {
  results.assign(op.numResults(), shape);
  return Status();
}

StatusOr<Exprs> broadcast(const OpView& op, llvm::ArrayRef<Exprs> shapes) {
  Exprs dims;
  for (const Exprs& shape : shapes) {
    if (shape.size() > dims.size()) dims.insert(dims.begin(), shape.size() - dims.size(), Expr(1));
    const size_t shift = dims.size() - shape.size();
    for (size_t i = 0; i < shape.size(); ++i) {
      const bool areUnlike = dims[shift + i] != shape[i] && !isOne(dims[shift + i]) && !isOne(shape[i]);
      if (areUnlike && isLastOne(shape[i], op.facts())) {
        op.assumeEqual(shape[i], Expr(1));
        continue;
      }
      if (areUnlike && isLastOne(dims[shift + i], op.facts())) {
        op.assumeEqual(dims[shift + i], Expr(1));
        dims[shift + i] = shape[i];
        continue;
      }
      const std::optional<Expr> dim = broadcastDim(dims[shift + i], shape[i], op.facts());
      if (!dim)
        return nodeError(op, "the operands' sizes " + str(dims) + " and " + str(shape) +
                                 " do not broadcast: dims counted from the right must be equal, or one of them 1");
      if (!isOne(dims[shift + i]) && !isOne(shape[i])) op.assumeEqual(dims[shift + i], shape[i]);
      dims[shift + i] = *dim;
    }
  }
  return dims;
}

namespace {

StatusOr<Exprs> broadcastOperands(const OpView& op) {
  llvm::SmallVector<Exprs> shapes;
  for (int i = 0; i < op.numOperands(); ++i)
    if (op.has(i)) shapes.push_back(op.dims(i));
  return broadcast(op, shapes);
}

}  // namespace

Status inferBroadcast(const OpView& op, ResultShapes& results) {
  SW_ASSIGN_OR_RETURN(Exprs dims, broadcastOperands(op));
  return allResults(op, {op.dtype(0), dims}, results);
}

Status inferComparison(const OpView& op, ResultShapes& results) {
  SW_ASSIGN_OR_RETURN(Exprs dims, broadcastOperands(op));
  return allResults(op, {DType::kBool, dims}, results);
}

Status inferBool(const OpView& op, ResultShapes& results) {
  return allResults(op, {DType::kBool, op.dims(0)}, results);
}

Status requireEqual(const OpView& op, Expr a, Expr b, const std::string& what) {
  if (provablyDifferent(a, b, op.facts()))
    return nodeError(op, what + " are " + a.str() + " and " + b.str() + ", and must be equal");
  op.assumeEqual(a, b);
  return Status();
}

StatusOr<int> normalizedAxis(const OpView& op, int64_t axis, int rank) {
  const int64_t normal = axis < 0 ? axis + rank : axis;
  if (normal < 0 || normal >= rank)
    return nodeError(op, "axis " + std::to_string(axis) + " is outside of [" + std::to_string(-rank) + ", " +
                             std::to_string(rank - 1) + "], the operand has rank " + std::to_string(rank));
  return static_cast<int>(normal);
}

StatusOr<std::vector<int>> normalizedAxes(const OpView& op, llvm::ArrayRef<int64_t> axes, int rank) {
  std::vector<int> normal;
  for (int64_t axis : axes) {
    SW_ASSIGN_OR_RETURN(int one, normalizedAxis(op, axis, rank));
    normal.push_back(one);
  }
  std::sort(normal.begin(), normal.end());
  normal.erase(std::unique(normal.begin(), normal.end()), normal.end());
  return normal;
}

std::optional<Exprs> valueOfView(const OpView& op, decltype(ViewBody::view) view) {
  const std::optional<Exprs> value = op.value(0);
  if (!value) return std::nullopt;
  const Exprs from = op.dims(0), to = op.result(0).dims;
  const std::optional<SymbolicView> window = view(op, 0, {0, from, denseStrides(from)}, to);
  if (!window || !window->offset.isConstant()) return std::nullopt;
  std::vector<int64_t> indices = {*window->offset.constant()};
  for (size_t i = 0; i < to.size(); ++i) {
    if (!to[i].isConstant() || !window->strides[i].isConstant()) return std::nullopt;
    std::vector<int64_t> next;
    for (int64_t index : indices)
      for (int64_t k = 0; k < *to[i].constant(); ++k) next.push_back(index + k * *window->strides[i].constant());
    indices = std::move(next);
  }
  Exprs taken;
  for (int64_t index : indices) taken.push_back((*value)[index]);
  return taken;
}

}  // namespace shardwright
