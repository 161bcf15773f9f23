#include "compiler/analysis/split_symbol.h"

#include <algorithm>

namespace shardwright {
namespace {

class Walk {
 public:
  Walk(const BlockRules& rules, const Facts& facts, const Mesh& mesh, int axis, Expr symbol, const Pins& pins)
      : rules_(rules), facts_(facts), axis_(mesh.whole(axis)), symbol_(symbol), pins_(pins) {}

  AxisStrategies run(mlir::Block& block) {
    for (mlir::Value argument : block.getArguments()) {
      if (mlir::isa<mlir::NoneType>(argument.getType())) continue;
      held_[argument] = chosen_.leaves[argument] = pinned(argument, splitInput(argument));
    }
    for (mlir::Operation& op : block) visit(op);
    for (mlir::Value value : block.getTerminator()->getOperands()) {
      Sharding sharding = heldOf(value);
      sharding.partial.clear();
      sharding.combiner = PartialKind::kNone;
      if (!isWindow(sharding)) sharding = Sharding::replicated(static_cast<int>(sharding.dims.size()));
      chosen_.results.push_back(sharding);
    }
    return std::move(chosen_);
  }

 private:
  Sharding pinned(mlir::Value value, const Sharding& otherwise) const {
    auto pin = pins_.find(value);
    if (pin == pins_.end()) return otherwise;
    return pin->second.imposedOn(otherwise, dimsOf(value.getType()), facts_);
  }

  Sharding heldOf(mlir::Value value) const {
    auto held = held_.find(value);
    if (held != held_.end()) return held->second;
    return Sharding::replicated(static_cast<int>(shapeOf(value).dims.size()));
  }

  Sharding splitInput(mlir::Value value) const {
    Exprs dims = dimsOf(value.getType());
    Sharding sharding = Sharding::replicated(static_cast<int>(dims.size()));
    for (size_t d = 0; d < dims.size(); ++d) {
      std::optional<Expr> rest = dims[d].dividedBy(symbol_);
      if (!rest || dims[d].isConstant()) continue;
      sharding.dims[d].factors = {{symbol_, {axis_}, symbol_}, {*rest, {}, Expr(1)}};
      break;
    }
    return canonical(sharding, dims, facts_);
  }

  // What one operand asks for; higher rank wins.
  struct Demand {
    bool inResult = false;
    double bytes = 0;
    Strategy strategy;
  };

  std::vector<Demand> demandsOn(mlir::Operation& op, const Rule& rule) const {
    std::vector<Demand> demands;
    for (auto [i, operand] : llvm::enumerate(op.getOperands())) {
      if (i >= rule.operands.size() || rule.operands[i].absent) continue;
      Exprs dims = dimsOf(operand.getType());
      auto strategy = strategyFrom(rule, rule.operands[i], heldOf(operand), dims, facts_);
      if (!strategy) continue;
      Demand demand;
      for (size_t f = 0; f < rule.factors.size(); ++f)
        if (!strategy->splits[f].empty()) {
          demand.bytes = 1;
          demand.inResult |= rule.factors[f].kind == FactorKind::kPass;
        }
      if (demand.bytes <= 0 || !rules_.admits(&op, *strategy)) continue;
      for (Expr dim : dims) demand.bytes *= static_cast<double>(dim.constant().value_or(128));
      demand.strategy = std::move(*strategy);
      demands.push_back(std::move(demand));
    }
    std::stable_sort(demands.begin(), demands.end(), [](const Demand& a, const Demand& b) {
      return a.inResult != b.inResult ? a.inResult : a.bytes > b.bytes;
    });
    return demands;
  }

  void visit(mlir::Operation& op) {
    const Rule* rule = rules_.find(&op);
    OpStrategy strategy;
    if (rule) {
      std::vector<Demand> demands = demandsOn(op, *rule);
      strategy.strategy = demands.empty() ? splitOwnFactor(op, *rule) : demands.front().strategy;
      OpShardings shardings = shardingsOf(&op, rule, strategy, facts_);
      for (auto [result, out] : llvm::zip(op.getResults(), shardings.out)) held_[result] = out;
      chosen_.ops[&op] = std::move(strategy);
    }
    for (mlir::Value result : op.getResults())
      if (pins_.count(result)) held_[result] = chosen_.leaves[result] = pinned(result, heldOf(result));
  }

  // Of an op that no split value reaches: a factor that is the symbol, else one of multiples of it ("4*batch": heads of each).
  Strategy splitOwnFactor(mlir::Operation& op, const Rule& rule) const {
    Strategy strategy(static_cast<int>(rule.factors.size()));
    for (bool exact : {true, false}) {
      for (size_t f = 0; f < rule.factors.size(); ++f) {
        const Factor& factor = rule.factors[f];
        if (factor.kind != FactorKind::kPass && factor.kind != FactorKind::kBroadcast) continue;
        if (exact ? factor.size != symbol_ : factor.size.isConstant() || !factor.size.dividedBy(symbol_)) continue;
        strategy.splits[f].push_back({1, {axis_}, symbol_});
        if (rules_.admits(&op, strategy)) return strategy;
        strategy.splits[f].clear();
      }
    }
    return strategy;
  }

  const BlockRules& rules_;
  const Facts& facts_;
  SubAxis axis_;
  Expr symbol_;
  const Pins& pins_;
  llvm::DenseMap<mlir::Value, Sharding> held_;
  AxisStrategies chosen_;
};

}  // namespace

AxisStrategies splitSymbol(mlir::Block& block, const BlockRules& rules, const Facts& facts, const Mesh& mesh, int axis,
                           const std::string& symbol, const Pins& pins) {
  return Walk(rules, facts, mesh, axis, Expr::symbol(symbol), pins).run(block);
}

bool isWindow(const Sharding& sharding) {
  return sharding.partial.empty() && std::all_of(sharding.dims.begin(), sharding.dims.end(),
                                                 [](const DimSharding& dim) { return dim.factors.size() <= 1; });
}

}  // namespace shardwright
