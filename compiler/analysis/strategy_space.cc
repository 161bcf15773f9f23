#include "compiler/analysis/strategy_space.h"

#include <algorithm>

namespace shardwright {
namespace {

// More candidates of one op than this are never needed on real graphs; the first found are the least derived ones.
constexpr size_t kMaxCandidates = 40, kMaxStates = 24;

bool splitsAnything(const Strategy& strategy) {
  return std::any_of(strategy.splits.begin(), strategy.splits.end(),
                     [](const auto& splits) { return !splits.empty(); });
}

// A strategy may split only what its rule lets be split, and use no part of the axis twice.
bool isLegal(const Rule& rule, const Strategy& strategy) {
  AxisList used;
  for (size_t f = 0; f < rule.factors.size(); ++f) {
    FactorKind kind = rule.factors[f].kind;
    for (const FactorSplit& split : strategy.splits[f]) {
      if (kind == FactorKind::kWhole || kind == FactorKind::kHalo) return false;
      if (overlaps(used, split.axes)) return false;
      used.append(split.axes.begin(), split.axes.end());
    }
  }
  return true;
}

Sharding withoutPartial(Sharding sharding) {
  sharding.partial.clear();
  sharding.combiner = PartialKind::kNone;
  return sharding;
}

bool sameCandidate(const OpCandidate& a, const OpCandidate& b) { return a.in == b.in && a.out == b.out; }

}  // namespace

TensorShape shapeOf(mlir::Value value) {
  TensorShape shape;
  if (mlir::isa<mlir::NoneType>(value.getType())) return shape;
  shape.dtype = dtypeOf(value.getType());
  shape.dims = dimsOf(value.getType());
  return shape;
}

StatusOr<StrategySpace> StrategySpace::build(mlir::Block& block, const Facts& facts, const Mesh& mesh, int axis) {
  StrategySpace space(facts, mesh, axis);
  SW_RETURN_IF_ERROR(space.addOps(block));
  space.seed();
  space.close();
  space.addPartialVariants();
  return space;
}

const OpChoices* StrategySpace::find(mlir::Operation* op) const {
  auto it = index_.find(op);
  return it == index_.end() ? nullptr : &ops_[it->second];
}

const std::vector<Sharding>& StrategySpace::statesOf(mlir::Value value) const {
  static const std::vector<Sharding> kNone;
  auto it = states_.find(value);
  return it == states_.end() ? kNone : it->second;
}

Status StrategySpace::addOps(mlir::Block& block) {
  auto addValue = [&](mlir::Value value) {
    if (!mlir::isa<mlir::NoneType>(value.getType()))
      states_[value].push_back(Sharding::replicated(dimsOf(value.getType()).size()));
  };
  for (mlir::Value argument : block.getArguments()) addValue(argument);
  for (mlir::Operation& op : block) {
    for (mlir::Value result : op.getResults()) addValue(result);
    if (op.getNumResults() == 0 || op.getNumOperands() == 0) continue;
    OpChoices choices;
    choices.op = &op;
    if (const Row* row = rowOf(&op)) {
      auto rule = ruleOf(OpView(&op, *facts_), *row);
      if (!rule.ok()) return rule.status().within(op.getName().getStringRef().str());
      choices.rule = std::move(*rule);
      choices.hasRule = true;
    }
    choices.candidates.push_back(project(choices, Strategy(choices.rule.factors.size())));
    index_[&op] = ops_.size();
    ops_.push_back(std::move(choices));
  }
  return Status();
}

OpCandidate StrategySpace::project(const OpChoices& op, Strategy strategy) const {
  OpCandidate candidate;
  auto shardings = [&](auto values, const std::vector<FactorTensor>& tensors, bool isResult) {
    std::vector<Sharding> result;
    for (auto [i, value] : llvm::enumerate(values)) {
      TensorShape shape = shapeOf(value);
      bool described = op.hasRule && i < tensors.size() && !tensors[i].absent && shape.dtype != DType::kUndefined;
      result.push_back(described ? shardwright::project(op.rule, strategy, tensors[i], isResult, shape.dims, *facts_)
                                 : Sharding::replicated(shape.dims.size()));
    }
    return result;
  };
  candidate.in = shardings(op.op->getOperands(), op.rule.operands, false);
  candidate.out = shardings(op.op->getResults(), op.rule.results, true);
  candidate.strategy = std::move(strategy);
  return candidate;
}

void StrategySpace::seed() {
  SubAxis axis = mesh_->whole(axis_);
  for (size_t i = 0; i < ops_.size(); ++i) {
    const Rule& rule = ops_[i].rule;
    for (size_t f = 0; f < rule.factors.size(); ++f) {
      std::optional<int64_t> size = rule.factors[f].size.constant();
      if (!size || *size < axis.size || rule.factors[f].kind == FactorKind::kBroadcast) continue;
      Strategy strategy(rule.factors.size());
      strategy.splits[f].push_back({1, {axis}, Expr(*size)});
      addStrategy(i, std::move(strategy));
    }
  }
}

void StrategySpace::close() {
  while (!work_.empty()) {
    auto [value, sharding] = std::move(work_.back());
    work_.pop_back();
    Exprs dims = dimsOf(value.getType());
    auto ask = [&, &value = value, &sharding = sharding](mlir::Operation* op, auto values, bool isResult) {
      auto it = index_.find(op);
      if (it == index_.end() || !ops_[it->second].hasRule) return;
      for (auto [i, other] : llvm::enumerate(values)) {
        if (other != value) continue;
        const OpChoices& choices = ops_[it->second];
        const auto& tensors = isResult ? choices.rule.results : choices.rule.operands;
        if (i >= tensors.size() || tensors[i].absent) continue;
        if (auto strategy = strategyFrom(choices.rule, tensors[i], sharding, dims, *facts_))
          addStrategy(it->second, std::move(*strategy));
      }
    };
    if (mlir::Operation* op = value.getDefiningOp()) ask(op, op->getResults(), true);
    for (mlir::Operation* user : value.getUsers()) ask(user, user->getOperands(), false);
  }
}

void StrategySpace::addStrategy(int op, Strategy strategy) {
  OpChoices& choices = ops_[op];
  if (choices.candidates.size() >= kMaxCandidates || !splitsAnything(strategy) || !isLegal(choices.rule, strategy))
    return;
  OpCandidate candidate = project(choices, std::move(strategy));
  for (const OpCandidate& other : choices.candidates)
    if (sameCandidate(other, candidate)) return;
  for (auto [value, sharding] : llvm::zip(choices.op->getOperands(), candidate.in)) addState(value, sharding);
  for (auto [value, sharding] : llvm::zip(choices.op->getResults(), candidate.out))
    addState(value, withoutPartial(sharding));
  choices.candidates.push_back(std::move(candidate));
}

void StrategySpace::addState(mlir::Value value, const Sharding& sharding) {
  auto it = states_.find(value);
  if (it == states_.end() || it->second.size() >= kMaxStates) return;
  if (std::find(it->second.begin(), it->second.end(), sharding) != it->second.end()) return;
  it->second.push_back(sharding);
  work_.emplace_back(value, sharding);
}

// For ops that are linear in operands: partial sums pass through.
void StrategySpace::addPartialVariants() {
  SubAxis axis = mesh_->whole(axis_);
  for (OpChoices& choices : ops_) {
    const Row* row = rowOf(choices.op);
    if (!row || row->linearIn == 0) continue;
    OpCandidate base = choices.candidates[0];
    auto makePartial = [&](std::vector<unsigned> operands) {
      OpCandidate candidate = base;
      for (unsigned i : operands) {
        candidate.in[i].partial = {axis};
        candidate.in[i].combiner = PartialKind::kSum;
      }
      for (Sharding& out : candidate.out) {
        out.partial = {axis};
        out.combiner = PartialKind::kSum;
      }
      choices.candidates.push_back(std::move(candidate));
    };
    if (row->linearIn & Row::kPartialAll) {
      std::vector<unsigned> all;
      for (unsigned i = 0; i < choices.op->getNumOperands(); ++i)
        if (!mlir::isa<mlir::NoneType>(choices.op->getOperand(i).getType())) all.push_back(i);
      makePartial(all);
      continue;
    }
    for (unsigned i = 0; i < choices.op->getNumOperands() && i < 31; ++i)
      if (row->linearIn & (1u << i)) makePartial({i});
  }
}

}  // namespace shardwright
