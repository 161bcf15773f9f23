#include "compiler/analysis/constant_values.h"
#include "compiler/analysis/op_work.h"
#include "compiler/dist/dist_dialect.h"
#include "compiler/dist/module_symbols.h"
#include "compiler/emit/emit_programs.h"
#include "compiler/emit/output_placement.h"
#include "compiler/emit/step_collectives.h"
#include "compiler/emit/step_dialect.h"
#include "compiler/target/cost_model.h"
#include "mlir/Analysis/TopologicalSortUtils.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"
#include "passes/optimize/step_seconds.h"
#include "passes/passes.h"

namespace shardwright {
namespace {

// How the operands of several collectives become one.
enum class Join {
  kNone,
  kFlat,     // dense ones one behind the other, as a list of elements
  kBases,    // equal windows on buffers of one type: the buffers one behind the other, and the window on all of them
  kWindows,  // of one type: copied one behind the other
};

// Makes one collective of several that can be ready together.
//
// Contract: the lowered form before and after. Collectives of one kind, combiner, group and type become one if none waits for
// another, nor for a collective that does, and the cost model says that what is saved, mostly latency, is more than what is lost: copies, where an
// operand cannot be computed in its place, and what would pass of one while others are still computed. Every element is
// combined as before.
//
//   %m = dist.all_reduce sum %x : tensor<?x1xf32>         %c = step.concat %x', %y' axis 0      no step: both are computed there
//   …                                               ->    %r = dist.all_reduce sum %c : tensor<?xf32>
//   %n = dist.all_reduce sum %y : tensor<?x1xf32>         %m = step.view %r, %n = step.view %r
struct MergeCollectives : mlir::PassWrapper<MergeCollectives, mlir::OperationPass<mlir::func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(MergeCollectives)
  explicit MergeCollectives(std::string machine) : machineName_(std::move(machine)) {}
  MergeCollectives(const MergeCollectives& other) : PassWrapper(other), machineName_(other.machineName_) {}
  llvm::StringRef getArgument() const final { return "merge-collectives"; }
  llvm::StringRef getDescription() const final { return "make one collective of several that are ready together"; }
  void getDependentDialects(mlir::DialectRegistry& registry) const final {
    registerDistDialect(registry);
    registerStepDialect(registry);
  }

  void runOnOperation() final {
    machine_ = machineNamed(machineName_);
    auto module = getOperation()->getParentOfType<mlir::ModuleOp>();
    sizes_ = assumedSizes(module);
    mlir::Block& block = getOperation().getBody().front();
    ConstantValues constants(block);
    constants_ = &constants;
    std::vector<Batch> batches = findBatches(block);
    for (Batch& batch : batches)
      if (batch.members.size() > 1 && isStillWorth(batch)) merge(batch);
    if (llvm::any_of(batches, [](const Batch& batch) { return batch.members.size() > 1; }))
      mlir::sortTopologically(&block);
  }

 private:
  struct Batch {
    llvm::SmallVector<mlir::Operation*> members;  // in program order
    Join join = Join::kNone;
    bool open = true;  // nothing that comes next waits for it yet
  };

  // --- which ------------------------------------------------------------------------------------------------------------

  std::vector<Batch> findBatches(mlir::Block& block) {
    std::vector<Batch> batches;
    for (mlir::Operation& op : block) {
      if (!isMergeable(&op)) continue;
      for (Batch& batch : batches)
        batch.open = batch.open && llvm::none_of(batch.members, [&](mlir::Operation* m) { return waitsFor(&op, m); });
      auto best = batches.end();
      double most = 0;
      for (auto batch = batches.begin(); batch != batches.end(); ++batch) {
        double gain = batch->open ? gainOf(*batch, &op) : 0;
        if (gain > most) best = batch, most = gain;
      }
      if (best == batches.end()) {
        batches.push_back({{&op}});
        continue;
      }
      best->members.push_back(&op);
      best->join = joinOf(best->members);
    }
    return batches;
  }

  bool isMergeable(mlir::Operation* op) const {
    std::optional<StepCollective> collective = collectiveOf(op);
    return collective && collective->kind != plan::CollectiveStep::PERMUTE && !constants_->contains(op) &&
           llvm::none_of(op->getUsers(), [](mlir::Operation* user) { return mlir::isa<step::WaitOp>(user); });
  }

  static bool waitsFor(mlir::Operation* op, mlir::Operation* earlier) {
    llvm::SmallPtrSet<mlir::Operation*, 32> seen;
    llvm::SmallVector<mlir::Operation*> open = {op};
    while (!open.empty()) {
      for (mlir::Value operand : open.pop_back_val()->getOperands()) {
        mlir::Operation* maker = operand.getDefiningOp();
        if (maker == earlier) return true;
        if (maker && earlier->isBeforeInBlock(maker) && seen.insert(maker).second) open.push_back(maker);
      }
    }
    return false;
  }

  static bool areAlike(mlir::Operation* a, mlir::Operation* b) {
    StepCollective x = *collectiveOf(a), y = *collectiveOf(b);
    return x.kind == y.kind && x.group == y.group && x.combiner == y.combiner &&
           dtypeOf(a->getResult(0).getType()) == dtypeOf(b->getResult(0).getType());
  }

  Join joinOf(llvm::ArrayRef<mlir::Operation*> members) const {
    mlir::Operation* first = members.front();
    auto all = [&](auto holds) { return llvm::all_of(members, holds); };
    if (!all([&](mlir::Operation* op) { return areAlike(first, op); })) return Join::kNone;
    plan::CollectiveStep::Kind kind = collectiveOf(first)->kind;
    bool isElementwise = kind == plan::CollectiveStep::ALL_REDUCE || kind == plan::CollectiveStep::BROADCAST;
    if (isElementwise && all([](mlir::Operation* op) { return isDense(viewOf(op->getOperand(0))); }))
      return Join::kFlat;
    // Attributes are the dims that are gathered and split.
    bool sameTypes = all([&](mlir::Operation* op) {
      return op->getOperand(0).getType() == first->getOperand(0).getType() && op->getAttrs() == first->getAttrs() &&
             op->getResult(0).getType() == first->getResult(0).getType();
    });
    if (!sameTypes) return Join::kNone;
    SymbolicView window = viewOf(first->getOperand(0));
    bool sameWindows = all([&](mlir::Operation* op) {
      mlir::Value operand = op->getOperand(0);
      SymbolicView own = viewOf(operand);
      return baseOf(operand).getType() == baseOf(first->getOperand(0)).getType() && own.offset == window.offset &&
             own.strides == window.strides;
    });
    return sameWindows ? Join::kBases : Join::kWindows;
  }

  // --- whether ----------------------------------------------------------------------------------------------------------

  // Seconds that are saved if `op` joins the batch.
  double gainOf(const Batch& batch, mlir::Operation* op) const {
    llvm::SmallVector<mlir::Operation*> members = batch.members;
    members.push_back(op);
    Join join = joinOf(members);
    if (join == Join::kNone) return 0;
    CollectiveTime before = timeOf(batch.members);
    double saved = secondsOf(before) + secondsOf(timeOf({op})) - secondsOf(timeOf(members));
    double copied =
        copySeconds(members, join) - (batch.members.size() > 1 ? copySeconds(batch.members, batch.join) : 0);
    return saved - copied - std::min(before.backgroundSeconds, secondsBetween(batch.members, op));
  }

  // What an earlier batch made one lies elsewhere since: windows on its results that were alike have offsets of their own.
  bool isStillWorth(Batch& batch) const {
    batch.join = joinOf(batch.members);
    if (batch.join == Join::kNone) return false;
    double saved = -secondsOf(timeOf(batch.members));
    for (mlir::Operation* op : batch.members) saved += secondsOf(timeOf({op}));
    return saved > copySeconds(batch.members, batch.join);
  }

  static double secondsOf(const CollectiveTime& time) { return time.backgroundSeconds + time.threadSeconds; }

  CollectiveTime timeOf(llvm::ArrayRef<mlir::Operation*> members) const {
    double in = 0, out = 0;
    for (mlir::Operation* op : members) {
      in += bytesAt(op->getOperand(0), sizes_);
      out += bytesAt(op->getResult(0), sizes_);
    }
    return collectiveTime(machine_, *collectiveOf(members.front()), std::max(in, out));
  }

  double copySeconds(llvm::ArrayRef<mlir::Operation*> members, Join join) const {
    double total = 0;
    llvm::SmallPtrSet<mlir::Operation*, 8> makers;
    for (mlir::Operation* op : members) {
      mlir::Value operand = op->getOperand(0);
      mlir::Value part = join == Join::kBases ? baseOf(operand) : operand;
      bool inPlace = canBePlaced(part, *constants_) && makers.insert(baseOf(part).getDefiningOp()).second;
      if (!inPlace) total += kernelSeconds(machine_, DType::kFloat32, 0, 2 * bytesAt(part, sizes_));
    }
    return total;
  }

  // What the rank computes between the last member and `op` without waiting for the batch.
  double secondsBetween(llvm::ArrayRef<mlir::Operation*> members, mlir::Operation* op) const {
    double total = 0;
    for (mlir::Operation* at = members.back()->getNextNode(); at != op; at = at->getNextNode()) {
      if (collectiveOf(at) || constants_->contains(at)) continue;
      if (llvm::none_of(members, [&](mlir::Operation* member) { return waitsFor(at, member); }))
        total += computeSeconds(at, machine_, sizes_);
    }
    return total;
  }

  // --- how --------------------------------------------------------------------------------------------------------------

  static mlir::Value withLeadingDim(mlir::OpBuilder& builder, mlir::Value value) {
    SymbolicView view = viewOf(value);
    view.dims.insert(view.dims.begin(), Expr(1));
    view.strides.insert(view.strides.begin(), Expr(1));
    return createView(builder, value.getLoc(), value, view);
  }

  static Expr countOf(mlir::Type type) {
    Exprs dims = dimsOf(type);
    return product(std::vector<Expr>(dims.begin(), dims.end()));
  }

  static mlir::Type withDims(mlir::Type type, const Exprs& dims) {
    return tensorType(dims, mlir::cast<mlir::RankedTensorType>(type).getElementType());
  }

  static mlir::Type stacked(mlir::Type type, size_t count) {
    Exprs dims = dimsOf(type);
    dims.insert(dims.begin(), Expr(static_cast<int64_t>(count)));
    return withDims(type, dims);
  }

  // The operands as one value.
  static mlir::Value joined(mlir::OpBuilder& builder, mlir::Location loc, const Batch& batch) {
    llvm::SmallVector<mlir::Value> parts;
    Expr total = 0;
    for (mlir::Operation* op : batch.members) {
      mlir::Value operand = op->getOperand(0);
      if (batch.join != Join::kFlat) {
        parts.push_back(withLeadingDim(builder, batch.join == Join::kBases ? baseOf(operand) : operand));
        continue;
      }
      Expr count = countOf(operand.getType());
      parts.push_back(createView(builder, loc, operand, {viewOf(operand).offset, {count}, {Expr(1)}}));
      total += count;
    }
    mlir::Type part = parts.front().getType();
    Exprs dims = dimsOf(part);
    dims[0] = batch.join == Join::kFlat ? total : Expr(static_cast<int64_t>(parts.size()));
    mlir::Value whole = builder.create<step::ConcatOp>(loc, withDims(part, dims), parts, builder.getI64IntegerAttr(0));
    if (batch.join != Join::kBases) return whole;
    mlir::Value first = batch.members.front()->getOperand(0);
    SymbolicView window = viewOf(first);
    window.dims.insert(window.dims.begin(), dims[0]);
    window.strides.insert(window.strides.begin(), countOf(baseOf(first).getType()));
    return createView(builder, loc, whole, window);
  }

  void merge(const Batch& batch) {
    mlir::Operation* last = batch.members.back();
    mlir::OpBuilder builder(last);
    llvm::SmallVector<mlir::Location> locations;
    for (mlir::Operation* op : batch.members) locations.push_back(op->getLoc());
    mlir::Location loc = builder.getFusedLoc(locations);
    mlir::Value operand = joined(builder, loc, batch);
    mlir::Type type =
        batch.join == Join::kFlat ? operand.getType() : stacked(last->getResult(0).getType(), batch.members.size());
    mlir::OperationState state(loc, last->getName(), operand, type, last->getAttrs());
    mlir::Operation* whole = builder.create(state);
    if (batch.join != Join::kFlat)
      for (llvm::StringRef dim : {"dim", "split_dim"})
        if (auto attr = whole->getAttrOfType<mlir::IntegerAttr>(dim))
          whole->setAttr(dim, builder.getI64IntegerAttr(attr.getInt() + 1));
    Expr offset = 0;
    for (mlir::Operation* op : batch.members) {
      SymbolicView view = denseView(dimsOf(op->getResult(0).getType()));
      view.offset = offset;
      offset += countOf(op->getResult(0).getType());
      rebase(builder, op->getResult(0), createView(builder, op->getLoc(), whole->getResult(0), view));
      op->erase();
    }
  }

  // A window never has a window for its base.
  static void rebase(mlir::OpBuilder& builder, mlir::Value from, mlir::Value to) {
    SymbolicView place = viewOf(to);
    for (mlir::Operation* user : llvm::make_early_inc_range(from.getUsers())) {
      auto view = mlir::dyn_cast<step::ViewOp>(user);
      if (!view) continue;
      SymbolicView own = viewOf(view.getResult());
      own.offset += place.offset;
      view.getResult().replaceAllUsesWith(createView(builder, view.getLoc(), to, own));
      view.erase();
    }
    from.replaceAllUsesWith(to);
    if (to.use_empty()) to.getDefiningOp()->erase();
  }

  const std::string machineName_;
  Machine machine_;
  const ConstantValues* constants_ = nullptr;
  Bindings sizes_;
};

}  // namespace

std::unique_ptr<mlir::Pass> createMergeCollectivesPass(const std::string& machine) {
  return std::make_unique<MergeCollectives>(machine);
}

}  // namespace shardwright
