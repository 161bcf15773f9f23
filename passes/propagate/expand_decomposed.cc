#include "compiler/analysis/axis_strategies.h"
#include "compiler/analysis/op_strategy.h"
#include "compiler/dist/dist_dialect.h"
#include "compiler/dist/module_symbols.h"
#include "compiler/dist/propagated_form.h"
#include "compiler/ops/expansion.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"
#include "passes/passes.h"

namespace shardwright {
namespace {

// Writes ops whose strategy splits a factor marked "@" as what they are made of, so that no op on shards needs more than its
// own shard.
//
// Contract: before and after it every op has its shardings; edges may disagree. A new op takes the splits that its operands ask for.
// A result that is a partial sum stays one: its reader wants it whole, which is the small all-reduce that the strategy costs.
//
//   Softmax of [8, 100{tp}]: ReduceMax -> [8, 1] partial=max{tp}; Sub, Exp -> [8, 100{tp}]; ReduceSum -> [8, 1]
//   partial=sum{tp}; Div -> [8, 100{tp}]
struct ExpandDecomposed : mlir::PassWrapper<ExpandDecomposed, mlir::OperationPass<mlir::func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(ExpandDecomposed)
  llvm::StringRef getArgument() const final { return "expand-decomposed"; }
  llvm::StringRef getDescription() const final { return "write ops whose strategy needs it as their parts"; }
  void getDependentDialects(mlir::DialectRegistry& registry) const final { registerDistDialect(registry); }

  void runOnOperation() final {
    auto module = getOperation()->getParentOfType<mlir::ModuleOp>();
    mesh_ = meshOf(module);
    facts_ = factsOf(module);
    // The parts of an op may have to be expanded in turn.
    mlir::Block& block = getOperation().getBody().front();
    for (auto at = block.begin(); at != block.end();) {
      mlir::Operation* op = &*at;
      if (!splitsDecomposed(op)) {
        ++at;
        continue;
      }
      mlir::Operation* before = op->getPrevNode();
      if (failed(expand(op))) return signalPassFailure();
      at = before ? std::next(before->getIterator()) : block.begin();
    }
  }

  // The op's rule; null if it has none or says no shardings.
  std::optional<Rule> ruleFor(mlir::Operation* op) {
    const Row* row = rowOf(op);
    if (!row || op->getNumResults() == 0 || op->getNumOperands() == 0) return std::nullopt;
    auto rule = ruleOf(OpView(op, facts_), *row);
    if (rule.ok()) return std::move(*rule);
    op->emitError(rule.status().message());
    signalPassFailure();
    return std::nullopt;
  }

  bool splitsDecomposed(mlir::Operation* op) {
    if (!rowOf(op) || !hasShardings(op)) return false;
    std::optional<Rule> rule = ruleFor(op);
    if (!rule) return false;
    llvm::SmallVector<Sharding, 2> in, out;
    for (unsigned i = 0; i < op->getNumOperands(); ++i) in.push_back(inSharding(op, i));
    for (mlir::OpResult result : op->getResults()) out.push_back(outSharding(result));
    Strategy strategy = strategyFromShardings(*rule, OpView(op, facts_), in, out);
    for (size_t f = 0; f < rule->factors.size(); ++f)
      if (rule->factors[f].kind == FactorKind::kDecomposed && !strategy.splits[f].empty()) return true;
    return false;
  }

  // The parts see the operands as the op wanted them.
  mlir::LogicalResult expand(mlir::Operation* op) {
    const Row& row = *rowOf(op);
    const ExpandBody* body = row.decomposition.expand ? &row.decomposition : expansionOf(row);
    mlir::OpBuilder builder(op);
    wanted_.clear();
    for (mlir::OpOperand& operand : op->getOpOperands())
      if (!isNone(operand.get())) wanted_[operand.get()] = inSharding(op, operand.getOperandNumber());
    mlir::Operation* before = op->getPrevNode();
    std::vector<mlir::Value> values;
    if (body) values = body->expand(builder, OpView(op, facts_));
    if (values.size() != op->getNumResults())
      return op->emitError("internal error: the strategy splits a factor that only a decomposition can, and ")
             << op->getName() << " has none";
    for (mlir::Operation* part = before ? before->getNextNode() : &op->getBlock()->front(); part != op;
         part = part->getNextNode()) {
      part->setAttr(kOriginAttr,
                    op->getAttr(kOriginAttr) ? op->getAttr(kOriginAttr) : builder.getStringAttr("default"));
      annotate(part);
    }
    for (auto [result, value] : llvm::zip(op->getResults(), values))
      if (value) result.replaceAllUsesWith(value);
    op->erase();
    return mlir::success();
  }

  void annotate(mlir::Operation* op) {
    std::optional<Rule> rule = ruleFor(op);
    OpStrategy strategy;
    if (rule) strategy.strategy = askedFor(op, *rule);
    OpShardings shardings = shardingsOf(op, rule ? &*rule : nullptr, strategy, facts_);
    setInShardings(op, shardings.in, mesh_);
    setOutShardings(op, shardings.out, mesh_);
    if (rule) op->setAttr(kStrategyAttr, mlir::StringAttr::get(&getContext(), str(*rule, strategy, mesh_)));
  }

  // What a part sees of a value: operands of the expanded op as that wanted them.
  std::optional<Sharding> seenAs(mlir::Value value) const {
    if (isNone(value)) return std::nullopt;
    auto wanted = wanted_.find(value);
    return wanted == wanted_.end() ? heldSharding(value) : wanted->second;
  }

  // For each factor the first operand that asks; an axis is used once.
  Strategy askedFor(mlir::Operation* op, const Rule& rule) {
    Strategy strategy(static_cast<int>(rule.factors.size()));
    AxisList used;
    for (auto [i, operand] : llvm::enumerate(op->getOperands())) {
      std::optional<Sharding> held = seenAs(operand);
      if (!held || i >= rule.operands.size() || rule.operands[i].absent) continue;
      auto asked = strategyFrom(rule, rule.operands[i], *held, dimsOf(operand.getType()), facts_);
      for (size_t f = 0; asked && f < rule.factors.size(); ++f) {
        AxisList axes;
        for (const FactorSplit& split : asked->splits[f]) axes.append(split.axes.begin(), split.axes.end());
        if (axes.empty() || !strategy.splits[f].empty() || overlaps(used, axes)) continue;
        strategy.splits[f] = asked->splits[f];
        used.append(axes.begin(), axes.end());
      }
    }
    const Row* row = rowOf(op);
    bool admitted = !row->admits || row->admits(OpView(op, facts_), rule, strategy);
    return admitted ? strategy : Strategy(static_cast<int>(rule.factors.size()));
  }

  Mesh mesh_;
  Facts facts_;
  llvm::DenseMap<mlir::Value, Sharding> wanted_;
};

}  // namespace

std::unique_ptr<mlir::Pass> createExpandDecomposedPass() { return std::make_unique<ExpandDecomposed>(); }

}  // namespace shardwright
