#include <limits>

#include "compiler/analysis/reshard_planner.h"
#include "compiler/dist/dist_dialect.h"
#include "compiler/dist/module_symbols.h"
#include "compiler/dist/propagated_form.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"
#include "passes/passes.h"

namespace shardwright {
namespace {

// One sharding that a value is wanted in, and the uses that want it.
struct Target {
  Sharding sharding;
  llvm::SmallVector<mlir::OpOperand*> uses;
};

// Makes every edge's ends agree.
//
// Contract: before it every value says what it is held as and every use what it wants (propagated_form.h). After it every use
// wants what its value is held as; a value has at most one dist.reshard per target, placed before the first use. A target may
// be made from another one of the same value where that is cheaper.
//
//   %y is partial; two ops want it whole, one wants its dim 1 split
//     -> %r = dist.reshard %y to whole      (all-reduce)
//        %s = dist.reshard %r to split      (slice: free, where a reduce-scatter of %y would be a second collective)
struct InsertReshards : mlir::PassWrapper<InsertReshards, mlir::OperationPass<mlir::func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(InsertReshards)
  llvm::StringRef getArgument() const final { return "insert-reshards"; }
  llvm::StringRef getDescription() const final { return "put a dist.reshard on every edge whose ends differ"; }
  void getDependentDialects(mlir::DialectRegistry& registry) const final { registerDistDialect(registry); }

  void runOnOperation() final {
    auto module = getOperation()->getParentOfType<mlir::ModuleOp>();
    auto machine = builtInMachine("default_gpu");
    if (!machine.ok()) {
      module.emitError(machine.status().message());
      return signalPassFailure();
    }
    ReshardPlanner planner(meshOf(module), factsOf(module), assumedSizes(module), *machine);
    mlir::Block& block = getOperation().getBody().front();
    llvm::SmallVector<mlir::Value> values(block.getArguments());
    for (mlir::Operation& op : block) values.append(op.result_begin(), op.result_end());
    for (mlir::Value value : values)
      if (failed(reshard(value, planner))) return signalPassFailure();
  }

  static mlir::LogicalResult reshard(mlir::Value value, ReshardPlanner& planner) {
    if (isNone(value) || value.use_empty()) return mlir::success();
    std::optional<Sharding> held = heldSharding(value);
    std::vector<Target> targets;
    for (mlir::OpOperand& use : value.getUses()) {
      std::optional<Sharding> wanted = wantedSharding(use);
      if (!held || !wanted)
        return use.getOwner()->emitError("internal error: an edge without shardings; run --choose-strategies first");
      if (*wanted == *held) continue;
      auto target = llvm::find_if(targets, [&](const Target& t) { return t.sharding == *wanted; });
      if (target == targets.end()) target = targets.insert(targets.end(), {*wanted, {}});
      target->uses.push_back(&use);
    }
    // Uses are listed in no useful order.
    llvm::sort(targets, [](const Target& a, const Target& b) { return a.sharding < b.sharding; });
    join(value, *held, targets, planner);
    return mlir::success();
  }

  static mlir::Operation* firstUser(const Target& target) {
    mlir::Operation* first = target.uses.front()->getOwner();
    for (mlir::OpOperand* use : target.uses)
      if (use->getOwner()->isBeforeInBlock(first)) first = use->getOwner();
    return first;
  }

  // Makes every target from the value or from a target made before, so that all together is cheapest: over subsets of targets,
  // the cheapest way to have made exactly those. More targets than a handful are never seen; those beyond are made directly.
  static void join(mlir::Value value, const Sharding& held, llvm::ArrayRef<Target> targets, ReshardPlanner& planner) {
    constexpr size_t kMaxJoint = 10;
    Exprs dims = dimsOf(value.getType());
    DType dtype = dtypeOf(value.getType());
    struct Way {
      double seconds = 0;
      size_t last = 0;
      int source = -1;  // a target, or -1 for the value
    };
    size_t joint = std::min(targets.size(), kMaxJoint);
    std::vector<Way> ways(size_t{1} << joint);
    for (size_t set = 1; set < ways.size(); ++set) {
      ways[set].seconds = std::numeric_limits<double>::infinity();
      for (size_t last = 0; last < joint; ++last) {
        if (!(set >> last & 1)) continue;
        size_t before = set & ~(size_t{1} << last);
        for (int source = -1; source < static_cast<int>(joint); ++source) {
          if (source >= 0 && !(before >> source & 1)) continue;
          const Sharding& from = source < 0 ? held : targets[static_cast<size_t>(source)].sharding;
          double seconds = ways[before].seconds + planner.seconds(dims, dtype, from, targets[last].sharding);
          if (seconds < ways[set].seconds) ways[set] = {seconds, last, source};
        }
      }
    }
    std::vector<Way> order;
    for (size_t set = ways.size() - 1; set != 0; set &= ~(size_t{1} << ways[set].last)) order.push_back(ways[set]);
    std::reverse(order.begin(), order.end());
    for (size_t t = joint; t < targets.size(); ++t) order.push_back({0, t, -1});
    std::vector<mlir::Value> made(targets.size());
    for (const Way& way : order) {
      bool direct = way.source < 0;
      size_t source = direct ? 0 : static_cast<size_t>(way.source);
      made[way.last] = insert(value, direct ? value : made[source], direct ? held : targets[source].sharding,
                              targets[way.last], planner.mesh());
      for (mlir::OpOperand* use : targets[way.last].uses) use->set(made[way.last]);
    }
  }

  // Before the target's first user; a source that stands behind it is moved there too.
  static mlir::Value insert(mlir::Value original, mlir::Value source, const Sharding& from, const Target& target,
                            const Mesh& mesh) {
    mlir::Operation* user = firstUser(target);
    mlir::OpBuilder builder(user);
    for (mlir::Value before = source; before != original;) {
      auto reshard = before.getDefiningOp<dist::ReshardOp>();
      if (user->isBeforeInBlock(reshard)) reshard->moveBefore(user), user = reshard;
      before = reshard.getInput();
    }
    auto to = mlir::cast<ShardingAttr>(shardingAttr(builder.getContext(), target.sharding, mesh));
    auto fromAttr = mlir::cast<ShardingAttr>(shardingAttr(builder.getContext(), from, mesh));
    builder.setInsertionPoint(firstUser(target));
    return builder.create<dist::ReshardOp>(original.getLoc(), source.getType(), source, fromAttr, to);
  }
};

}  // namespace

std::unique_ptr<mlir::Pass> createInsertReshardsPass() { return std::make_unique<InsertReshards>(); }

}  // namespace shardwright
