#include "compiler/analysis/strategy_space.h"

#include <algorithm>

#include "compiler/onnx/onnx_dialect.h"

namespace shardwright {
namespace {

// On the graphs measured an op has at most 27 candidates over 2 ranks and 120 over 4. The closure is breadth first, so that those
// left out are the most derived ones.
constexpr size_t kMaxCandidates = 96, kMaxStates = 48;

bool splitsAnything(const Strategy& strategy) {
  return std::any_of(strategy.splits.begin(), strategy.splits.end(),
                     [](const auto& splits) { return !splits.empty(); });
}

Sharding withoutPartial(Sharding sharding) {
  sharding.partial.clear();
  sharding.combiner = PartialKind::kNone;
  return sharding;
}

bool sameShardings(const OpCandidate& a, const OpCandidate& b) {
  return a.shardings.in == b.shardings.in && a.shardings.out == b.shardings.out;
}

// An even split has as many granules as parts.
FactorSplit wholeFactorSplit(SubAxis axis, Expr size, const Facts& facts) {
  return {1, {axis}, facts.provablyDivides(axis.size, size) ? Expr(axis.size) : size};
}

}  // namespace

StrategySpace::StrategySpace(mlir::Block& block, const BlockRules& rules, const Facts& facts, const Mesh& mesh,
                             const SpaceOptions& options)
    : rules_(rules), facts_(facts), options_(options), axis_(mesh.whole(options.axis)) {
  addOps(block);
  seedPins();
  seed();
  close();
  addPartialVariants();
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

void StrategySpace::addOps(mlir::Block& block) {
  auto addValue = [&](mlir::Value value) {
    states_[value].push_back(Sharding::replicated(static_cast<int>(shapeOf(value).dims.size())));
  };
  for (mlir::Value argument : block.getArguments()) addValue(argument);
  for (mlir::Operation& op : block) {
    for (mlir::Value result : op.getResults()) addValue(result);
    if (op.getNumResults() == 0 || op.getNumOperands() == 0) continue;
    OpChoices choices;
    choices.op = &op;
    choices.rule = rules_.find(&op);
    OpStrategy whole;
    if (choices.rule) whole.strategy = Strategy(static_cast<int>(choices.rule->factors.size()));
    OpShardings shardings = shardingsOf(&op, choices.rule, whole, facts_);
    choices.candidates.push_back({std::move(whole), std::move(shardings)});
    index_[&op] = ops_.size();
    ops_.push_back(std::move(choices));
  }
}

void StrategySpace::seedPins() {
  // Pins are few, and a map by pointer has no order of its own: ops' order is the order.
  auto seedValue = [&](mlir::Value value) {
    auto pin = options_.pins.find(value);
    if (pin == options_.pins.end()) return;
    Exprs dims = shapeOf(value).dims;
    addState(value, pin->second.imposedOn(Sharding::replicated(static_cast<int>(dims.size())), dims, facts_));
  };
  if (ops_.empty()) return;
  for (mlir::Value argument : ops_.front().op->getBlock()->getArguments()) seedValue(argument);
  for (mlir::Operation& op : *ops_.front().op->getBlock())
    for (mlir::Value result : op.getResults()) seedValue(result);
  for (OpChoices& choices : ops_) {
    auto pin = options_.strategies.find(choices.op);
    if (pin == options_.strategies.end() || !choices.rule) continue;
    auto [operand, dim] = pin->second;
    if (operand >= choices.rule->operands.size() || dim >= choices.rule->operands[operand].dims.size()) continue;
    for (int f : choices.rule->operands[operand].dims[dim]) {
      Strategy strategy(static_cast<int>(choices.rule->factors.size()));
      strategy.splits[f].push_back(wholeFactorSplit(axis_, choices.rule->factors[f].size, facts_));
      addStrategy(choices, std::move(strategy));
      break;
    }
  }
}

bool StrategySpace::isSeed(const OpChoices& choices, int factor) const {
  const Factor& described = choices.rule->factors[static_cast<size_t>(factor)];
  std::optional<int64_t> size = described.size.constant();
  if (described.kind == FactorKind::kBroadcast || (size && *size < axis_.size)) return false;
  if (options_.seeds == SpaceOptions::Seeds::kAllSizes) return true;
  if (options_.seeds == SpaceOptions::Seeds::kConstantSizes) return size.has_value();
  for (auto [i, operand] : llvm::enumerate(choices.op->getOperands())) {
    if (!operand.getDefiningOp<WeightOp>() || dimsOf(operand.getType()).size() < 3) continue;
    const FactorTensor& tensor = choices.rule->operands[i];
    if (!tensor.dims.empty() && llvm::is_contained(tensor.dims[0], factor)) return true;
  }
  return false;
}

// Even splits come first: at equal cost the lower state is taken.
void StrategySpace::seed() {
  for (bool even : {true, false})
    for (OpChoices& choices : ops_)
      for (size_t f = 0; choices.rule && f < choices.rule->factors.size(); ++f) {
        if (!isSeed(choices, static_cast<int>(f))) continue;
        Expr size = choices.rule->factors[f].size;
        if (facts_.provablyDivides(axis_.size, size) != even) continue;
        Strategy strategy(static_cast<int>(choices.rule->factors.size()));
        strategy.splits[f].push_back(wholeFactorSplit(axis_, size, facts_));
        addStrategy(choices, std::move(strategy));
      }
}

void StrategySpace::close() {
  while (!work_.empty()) {
    auto [value, sharding] = std::move(work_.front());
    work_.pop_front();
    Exprs dims = dimsOf(value.getType());
    auto ask = [&, &value = value, &sharding = sharding](mlir::Operation* op, auto values, bool isResult) {
      auto it = index_.find(op);
      if (it == index_.end() || !ops_[it->second].rule) return;
      OpChoices& choices = ops_[it->second];
      const auto& tensors = isResult ? choices.rule->results : choices.rule->operands;
      for (auto [i, other] : llvm::enumerate(values)) {
        if (other != value || i >= tensors.size() || tensors[i].absent) continue;
        if (auto strategy = strategyFrom(*choices.rule, tensors[i], sharding, dims, facts_))
          addStrategy(choices, std::move(*strategy));
      }
    };
    if (mlir::Operation* op = value.getDefiningOp()) ask(op, op->getResults(), true);
    // Uses are listed last first.
    llvm::SmallVector<mlir::Operation*> users(value.getUsers());
    for (mlir::Operation* user : llvm::reverse(users)) ask(user, user->getOperands(), false);
  }
}

void StrategySpace::addStrategy(OpChoices& choices, Strategy strategy) {
  if (choices.candidates.size() >= kMaxCandidates) return;
  if (!splitsAnything(strategy) || !rules_.admits(choices.op, strategy)) return;
  OpStrategy whole{std::move(strategy), {}};
  OpShardings shardings = shardingsOf(choices.op, choices.rule, whole, facts_);
  OpCandidate candidate{std::move(whole), std::move(shardings)};
  for (const OpCandidate& other : choices.candidates)
    if (sameShardings(other, candidate)) return;
  for (auto [value, sharding] : llvm::zip(choices.op->getOperands(), candidate.shardings.in)) addState(value, sharding);
  for (auto [value, sharding] : llvm::zip(choices.op->getResults(), candidate.shardings.out))
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
  for (OpChoices& choices : ops_) {
    const Row* row = rowOf(choices.op);
    if (!row || !choices.rule || row->linearIn == 0) continue;
    uint32_t bits = row->linearIn & ~Row::kPartialAll, present = 0;
    for (unsigned i = 0; i < choices.op->getNumOperands() && i < 31; ++i)
      if (!mlir::isa<mlir::NoneType>(choices.op->getOperand(i).getType())) present |= 1u << i;
    auto add = [&](uint32_t operands) {
      if (operands == 0) return;
      OpStrategy strategy = choices.candidates[0].strategy;
      strategy.passed.push_back({axis_, operands});
      OpShardings shardings = shardingsOf(choices.op, choices.rule, strategy, facts_);
      choices.candidates.push_back({std::move(strategy), std::move(shardings)});
    };
    if (row->linearIn & Row::kPartialAll) {
      add(bits ? bits & present : present);
      continue;
    }
    for (unsigned i = 0; i < 31; ++i) add(bits & present & (1u << i));
  }
}

}  // namespace shardwright
