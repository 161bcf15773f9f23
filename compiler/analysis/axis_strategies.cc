#include "compiler/analysis/axis_strategies.h"

#include <algorithm>

namespace shardwright {
namespace {

// Each dim of a tensor as a factor of its own, so that a value's sharding is a strategy.
struct TrivialRule {
  Rule rule;
  FactorTensor tensor;
  explicit TrivialRule(llvm::ArrayRef<Expr> dims) {
    for (auto [i, dim] : llvm::enumerate(dims)) {
      rule.factors.push_back({"d" + std::to_string(i), dim});
      tensor.dims.push_back({static_cast<int>(i)});
    }
  }
};

// Granules for both splits at one place of a factor, where `room` elements are to be split; nothing if none is sure to fit.
// Even parts are the same parts in any granules that their number divides.
//   128 by {x}=2 and {y}/8 -> 8      12 by {x}=2 and {y}=3 -> 6      21 by {x}=3 and {y}/21 -> 21
std::optional<Expr> commonGranules(const FactorSplit& a, const FactorSplit& b, Expr room) {
  Expr parts = Expr(sizeOf(a.axes)), nested = parts * b.granules;
  bool isEven = a.granules == parts, isOtherEven = b.granules == Expr(sizeOf(b.axes));
  if (a.granules == b.granules && !isEven) return a.granules;
  if (isEven && !isOtherEven && room.dividedBy(b.granules) && b.granules.dividedBy(parts)) return b.granules;
  if (room.dividedBy(nested)) return nested;
  if (isEven && isOtherEven) return room;
  if (room.dividedBy(a.granules)) return a.granules;
  return std::nullopt;
}

// Adds `split` to `splits` (major first, of a factor of `size`) if there is room for it.
void addSplit(llvm::SmallVector<FactorSplit, 1>& splits, const FactorSplit& split, Expr size) {
  for (size_t i = 0; i < splits.size(); ++i) {
    FactorSplit& other = splits[i];
    if (other.outer != split.outer) continue;
    // Granules end where the next digit begins: 4 by {x}=2 and, within, {y}=2 has 2 elements for what joins {x}.
    const Expr end = i + 1 < splits.size() ? splits[i + 1].outer : size;
    std::optional<Expr> room = end.dividedBy(split.outer);
    std::optional<Expr> granules = room ? commonGranules(other, split, *room) : std::nullopt;
    if (!granules) return;
    other.axes.append(split.axes.begin(), split.axes.end());
    other.axes = canonical(other.axes);
    other.granules = *granules;
    return;
  }
  // Disjoint digits: each one's granules end where the next begins.
  auto before = [](const FactorSplit& a, const FactorSplit& b) { return b.outer.dividedBy(a.outer * a.granules); };
  auto position = splits.begin();
  for (; position != splits.end() && !before(split, *position); ++position)
    if (!before(*position, split)) return;
  for (auto rest = position; rest != splits.end(); ++rest)
    if (!before(split, *rest)) return;
  splits.insert(position, split);
}

std::string atom(Expr e) { return e.isSymbol() || e.isConstant() ? e.str() : "(" + e.str() + ")"; }

std::string text(const FactorSplit& split, const Mesh& mesh) {
  std::string axes;
  for (const SubAxis& sub : split.axes) axes += (axes.empty() ? "" : ",") + mesh.str(sub);
  std::string result = (split.outer == Expr(1) ? "" : atom(split.outer) + "*") + "{" + axes + "}";
  if (split.granules != Expr(sizeOf(split.axes))) result += "/" + atom(split.granules);
  return result;
}

}  // namespace

StatusOr<BlockRules> BlockRules::build(mlir::Block& block, const Facts& facts) {
  BlockRules rules;
  rules.facts_ = &facts;
  for (mlir::Operation& op : block) {
    if (op.getNumResults() == 0 || op.getNumOperands() == 0) continue;
    const Row* row = rowOf(&op);
    if (!row) continue;
    SW_ASSIGN_OR_RETURN(Rule rule, ruleOf(OpView(&op, facts), *row));
    rules.index_[&op] = rules.rules_.size();
    rules.rules_.push_back(std::move(rule));
  }
  return rules;
}

const Rule* BlockRules::find(mlir::Operation* op) const {
  auto it = index_.find(op);
  return it == index_.end() ? nullptr : &rules_[it->second];
}

bool BlockRules::admits(mlir::Operation* op, const Strategy& strategy) const {
  const Rule& rule = *find(op);
  AxisList used;
  for (size_t f = 0; f < rule.factors.size(); ++f) {
    FactorKind kind = rule.factors[f].kind;
    for (const FactorSplit& split : strategy.splits[f]) {
      if (kind == FactorKind::kWhole || kind == FactorKind::kHalo || overlaps(used, split.axes)) return false;
      used.append(split.axes.begin(), split.axes.end());
    }
  }
  const Row* row = rowOf(op);
  return !row->admits || row->admits(OpView(op, *facts_), rule, strategy);
}

TensorShape shapeOf(mlir::Value value) {
  TensorShape shape;
  if (mlir::isa<mlir::NoneType>(value.getType())) return shape;
  shape.dtype = dtypeOf(value.getType());
  shape.dims = dimsOf(value.getType());
  return shape;
}

OpShardings shardingsOf(mlir::Operation* op, const Rule* rule, const OpStrategy& strategy, const Facts& facts) {
  OpShardings shardings;
  auto addPartial = [&](Sharding& sharding, SubAxis axis, llvm::ArrayRef<Expr> dims) {
    sharding.partial.push_back(axis);
    sharding.combiner = PartialKind::kSum;
    sharding = canonical(sharding, dims, facts);
  };
  auto list = [&](auto values, const std::vector<FactorTensor>* tensors, bool isResult) {
    std::vector<Sharding> all;
    for (auto [i, value] : llvm::enumerate(values)) {
      TensorShape shape = shapeOf(value);
      bool described = tensors && i < tensors->size() && !(*tensors)[i].absent && shape.dtype != DType::kUndefined;
      all.push_back(described ? project(*rule, strategy.strategy, (*tensors)[i], isResult, shape.dims, facts)
                              : Sharding::replicated(static_cast<int>(shape.dims.size())));
      for (const PassedPartial& passed : strategy.passed)
        if (shape.dtype != DType::kUndefined && (isResult || (passed.operands >> i & 1)))
          addPartial(all.back(), passed.axis, shape.dims);
    }
    return all;
  };
  shardings.in = list(op->getOperands(), rule ? &rule->operands : nullptr, false);
  shardings.out = list(op->getResults(), rule ? &rule->results : nullptr, true);
  return shardings;
}

Strategy compose(const Rule& rule, const Strategy& a, const Strategy& b) {
  Strategy result = a;
  for (size_t f = 0; f < rule.factors.size(); ++f)
    for (const FactorSplit& split : b.splits[f]) addSplit(result.splits[f], split, rule.factors[f].size);
  return result;
}

OpStrategy compose(mlir::Operation* op, const BlockRules& rules, const OpStrategy& a, const OpStrategy& b) {
  OpStrategy result{compose(*rules.find(op), a.strategy, b.strategy), a.passed};
  if (!rules.admits(op, result.strategy)) return a;
  result.passed.append(b.passed.begin(), b.passed.end());
  return result;
}

Sharding compose(const Sharding& a, const Sharding& b, llvm::ArrayRef<Expr> dims, const Facts& facts) {
  TrivialRule trivial(dims);
  auto first = strategyFrom(trivial.rule, trivial.tensor, a, dims, facts);
  auto second = strategyFrom(trivial.rule, trivial.tensor, b, dims, facts);
  if (!first || !second) return first ? a : b;
  return project(trivial.rule, compose(trivial.rule, *first, *second), trivial.tensor, false, dims, facts);
}

Sharding restrictTo(const Sharding& sharding, int axis, llvm::ArrayRef<Expr> dims, const Facts& facts) {
  Sharding result;
  for (const DimSharding& dim : sharding.dims) {
    DimSharding kept;
    for (const DimSplit& split : dim.factors) {
      DimSplit own{split.extent, {}, split.granules};
      for (const SubAxis& sub : split.axes)
        if (sub.axis == axis) own.axes.push_back(sub);
      // Where another axis splits the same factor, an even split over this one alone has as many granules as parts.
      if (own.axes.size() != split.axes.size() && split.granules == Expr(sizeOf(split.axes)))
        own.granules = sizeOf(own.axes);
      kept.factors.push_back(std::move(own));
    }
    result.dims.push_back(std::move(kept));
  }
  for (const SubAxis& sub : sharding.partial)
    if (sub.axis == axis) result.partial.push_back(sub);
  result.combiner = sharding.combiner;
  return canonical(result, dims, facts);
}

std::string str(const Rule& rule, const OpStrategy& strategy, const Mesh& mesh) {
  std::string result;
  for (size_t f = 0; f < rule.factors.size(); ++f) {
    if (strategy.strategy.splits[f].empty()) continue;
    std::string splits;
    for (const FactorSplit& split : strategy.strategy.splits[f])
      splits += (splits.empty() ? "" : "+") + text(split, mesh);
    result += (result.empty() ? "" : " ") + rule.factors[f].name + ":" + splits;
  }
  std::string passed;
  for (const PassedPartial& partial : strategy.passed) passed += (passed.empty() ? "" : ",") + mesh.str(partial.axis);
  if (!passed.empty()) result += (result.empty() ? "" : " ") + std::string("partial:{") + passed + "}";
  return result;
}

}  // namespace shardwright
