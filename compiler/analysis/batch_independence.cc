#include "compiler/analysis/batch_independence.h"

#include "compiler/analysis/split_symbol.h"
#include "compiler/onnx/onnx_dialect.h"
#include "compiler/onnx/value_names.h"

namespace shardwright {
namespace {

class Proof {
 public:
  Proof(mlir::Block& block, const BlockRules& rules, const Facts& facts, const std::string& symbol)
      : block_(block),
        rules_(rules),
        facts_(facts),
        symbol_(symbol),
        mesh_({{"microbatch", 2}}),
        split_(splitSymbol(block, rules, facts, mesh_, 0, symbol, Pins())) {}

  Status run() {
    for (mlir::Value argument : block_.getArguments()) {
      auto held = split_.leaves.find(argument);
      held_[argument] = held != split_.leaves.end() ? held->second : whole(argument);
    }
    for (mlir::Operation& op : block_.without_terminator()) SW_RETURN_IF_ERROR(check(op));
    // An output's parts lie one behind the other: of a batch that is repeated as a whole, each part is in every repetition.
    for (mlir::Value value : block_.getTerminator()->getOperands()) {
      bool isCut = isWindow(held_[value]) && held_[value] != whole(value);
      if (!isCut && isMadeOfBatch(value)) return mixes(*block_.getTerminator());
    }
    return Status();
  }

 private:
  static Sharding whole(mlir::Value value) {
    return Sharding::replicated(static_cast<int>(shapeOf(value).dims.size()));
  }
  bool isMadeOfBatch(mlir::Value value) const {
    for (Expr dim : shapeOf(value).dims)
      if (facts_.simplify(dim).symbols().count(symbol_) > 0) return true;
    return false;
  }

  Status check(mlir::Operation& op) {
    if (auto shape = mlir::dyn_cast<ShapeValueOp>(op))
      for (Expr e : shape.exprs())
        if (facts_.simplify(e).symbols().count(symbol_) > 0)
          return userError(where(op) + "computes with the size of the batch" + advice());
    auto found = split_.ops.find(&op);
    const Rule* rule = rules_.find(&op);
    OpStrategy strategy;
    if (found != split_.ops.end()) strategy = found->second;
    if (rule && strategy.strategy.splits.empty()) strategy.strategy = Strategy(static_cast<int>(rule->factors.size()));
    // Of a softmax over the batch the decomposition would join the parts, and nobody joins microbatches.
    for (size_t f = 0; rule && f < rule->factors.size(); ++f)
      if (rule->factors[f].kind == FactorKind::kDecomposed && !strategy.strategy.splits[f].empty()) return mixes(op);
    OpShardings shardings = shardingsOf(&op, rule, strategy, facts_);
    for (auto [operand, wanted] : llvm::zip(op.getOperands(), shardings.in))
      if (!mlir::isa<mlir::NoneType>(operand.getType()) && held_[operand] != wanted) return mixes(op);
    for (auto [result, out] : llvm::zip(op.getResults(), shardings.out)) {
      if (!out.partial.empty() || (out == whole(result) && isMadeOfBatch(result))) return mixes(op);
      held_[result] = out;
    }
    return rule ? checkPositions(op, *rule, strategy.strategy) : Status();
  }

  // An op whose indices shift with the part that it works on needs to know where in the batch it is.
  Status checkPositions(mlir::Operation& op, const Rule& rule, const Strategy& strategy) const {
    const Row* row = rowOf(&op);
    bool isSplit = llvm::any_of(strategy.splits, [](const auto& splits) { return !splits.empty(); });
    if (!row || !row->localize || !isSplit) return Status();
    if (row->localize(OpView(&op, facts_), rule, strategy, mesh_).set.empty()) return Status();
    return userError(where(op) + "depends on where in the batch an element is" + advice());
  }

  static std::string where(mlir::Operation& op) {
    std::string node = nodeName(op.getLoc());
    return (node.empty() ? op.getName().getStringRef().str() : node + " (" + op.getName().getStringRef().str() + ")") +
           ": ";
  }
  std::string advice() const {
    return ", so that the batch (symbol " + symbol_ +
           ") cannot be cut into microbatches; compile with --microbatches 1";
  }
  Status mixes(mlir::Operation& op) const {
    if (&op == block_.getTerminator()) return userError("an output has the batch's size and not its order" + advice());
    return userError(where(op) + "mixes the elements of a batch" + advice());
  }

  mlir::Block& block_;
  const BlockRules& rules_;
  const Facts& facts_;
  const std::string& symbol_;
  const Mesh mesh_;
  AxisStrategies split_;
  llvm::DenseMap<mlir::Value, Sharding> held_;
};

}  // namespace

Status checkBatchIndependence(mlir::Block& block, const BlockRules& rules, const Facts& facts,
                              const std::string& symbol) {
  return Proof(block, rules, facts, symbol).run();
}

}  // namespace shardwright
