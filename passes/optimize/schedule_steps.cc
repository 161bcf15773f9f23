#include "compiler/analysis/constant_values.h"
#include "compiler/analysis/op_work.h"
#include "compiler/dist/dist_dialect.h"
#include "compiler/dist/module_symbols.h"
#include "compiler/emit/emit_programs.h"
#include "compiler/emit/output_placement.h"
#include "compiler/emit/step_collectives.h"
#include "compiler/emit/step_dialect.h"
#include "compiler/target/cost_model.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"
#include "passes/optimize/step_order.h"
#include "passes/optimize/step_seconds.h"
#include "passes/passes.h"

namespace shardwright {
namespace {

// Puts steps in an order in which less time is spent waiting for other ranks.
//
// Contract: the lowered form before and after. A collective that has a step.wait is only started where it stands; nothing reads
// its result or writes its operand before the wait. Values of other stages are received when there is nothing else to do, and
// sent as soon as they are there. What is computed at load stays in front. Where no order is better (step_order.h), as on a
// chain in which each step needs the last one, nothing changes. Times and bytes are those of the assumed sizes.
//
//   %k = dist.all_gather %k_part                       %k = dist.all_gather %k_part
//   %v = step.kernel "matmul"(%x, %w)            ->    %v = step.kernel "matmul"(%x, %w)
//   %s = step.kernel "attention"(%q, %k, %v)           step.wait %k
//                                                      %s = step.kernel "attention"(%q, %k, %v)
struct ScheduleSteps : mlir::PassWrapper<ScheduleSteps, mlir::OperationPass<mlir::func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(ScheduleSteps)
  ScheduleSteps(std::string machine, double growth) : machineName_(std::move(machine)), growth_(growth) {}
  ScheduleSteps(const ScheduleSteps& other)
      : PassWrapper(other), machineName_(other.machineName_), growth_(other.growth_) {}
  llvm::StringRef getArgument() const final { return "schedule-steps"; }
  llvm::StringRef getDescription() const final { return "start collectives early, wait for them late"; }
  void getDependentDialects(mlir::DialectRegistry& registry) const final {
    registerDistDialect(registry);
    registerStepDialect(registry);
  }

  void runOnOperation() final {
    auto module = getOperation()->getParentOfType<mlir::ModuleOp>();
    const Machine machine = machineNamed(machineName_);
    sizes_ = assumedSizes(module);
    mlir::Block& block = getOperation().getBody().front();
    ConstantValues constants(block);
    auto placed = placeValues(block, constants, factsOf(module), meshOf(module));
    if (!placed.ok()) {
      getOperation().emitError(placed.status().message());
      return signalPassFailure();
    }
    collect(block, constants);
    std::vector<OrderedStep> steps;
    for (mlir::Operation* op : ops_) steps.push_back(describe(op, machine, *placed));
    StepOrder given = givenOrder(steps), best = bestOrder(steps, allowed(given));
    if (best.actions != given.actions) apply(best, block);
  }

 private:
  int64_t allowed(const StepOrder& given) const {
    return static_cast<int64_t>(growth_ * static_cast<double>(given.peakBytes));
  }

  // What becomes a step of a run; windows and constants go along with what reads them.
  void collect(mlir::Block& block, const ConstantValues& constants) {
    ops_.clear();
    index_.clear();
    for (mlir::Operation& op : block.without_terminator()) {
      if (mlir::isa<step::ViewOp>(op) || constants.contains(&op)) continue;
      index_[&op] = static_cast<int>(ops_.size());
      ops_.push_back(&op);
    }
  }

  OrderedStep describe(mlir::Operation* op, const Machine& machine, const OutputPlacements& placed) const {
    OrderedStep step;
    double read = 0, written = 0;
    for (mlir::Value operand : op->getOperands()) {
      if (!mlir::isa<mlir::NoneType>(operand.getType())) read += bytesAt(operand, sizes_);
      mlir::Operation* maker = baseOf(operand).getDefiningOp();
      if (auto found = index_.find(maker); maker && found != index_.end()) step.needs.push_back(found->second);
    }
    for (mlir::Value result : op->getResults()) {
      if (mlir::isa<mlir::NoneType>(result.getType())) continue;
      written += bytesAt(result, sizes_);
      if (!placed.contains(result)) step.bytes += static_cast<int64_t>(bytesAt(result, sizes_));
    }
    if (std::optional<StepCollective> collective = collectiveOf(op)) {
      CollectiveTime time = collectiveTime(machine, *collective, std::max(read, written));
      step.kind = OrderedStep::Kind::kCollective;
      step.seconds = time.threadSeconds;
      step.backgroundSeconds = time.backgroundSeconds;
      step.group = groupNumber(collective->group);
      step.mayOverlap = !isOfOutputs(op);
    } else if (mlir::isa<dist::SendOp, dist::ReceiveOp>(op)) {
      step.kind = mlir::isa<dist::SendOp>(op) ? OrderedStep::Kind::kSend : OrderedStep::Kind::kReceive;
      step.seconds = collectiveSeconds(machine, CollectiveCost::kPermute, 2, read + written) / 2;
    } else {
      step.seconds = computeSeconds(op, machine, sizes_, placed);
    }
    return step;
  }

  int groupNumber(const AxisList& axes) const {
    auto found = llvm::find(groups_, axes);
    if (found == groups_.end()) found = groups_.insert(groups_.end(), axes);
    return static_cast<int>(found - groups_.begin());
  }

  // What lies in the caller's tensor lies among what others write there meanwhile.
  static bool isOfOutputs(mlir::Operation* op) {
    auto isWritten = [](mlir::Value value) {
      return llvm::any_of(baseOf(value).getUsers(),
                          [](mlir::Operation* user) { return mlir::isa<dist::WriteOp>(user); });
    };
    return isWritten(op->getOperand(0)) || isWritten(op->getResult(0));
  }

  // Windows go in front of the first step that reads them.
  void apply(const StepOrder& order, mlir::Block& block) {
    for (auto view : llvm::make_early_inc_range(block.getOps<step::ViewOp>()))
      if (view->use_empty()) view->erase();
    mlir::Operation* end = block.getTerminator();
    llvm::SmallPtrSet<mlir::Operation*, 32> placed;
    for (const StepAction& action : order.actions) {
      mlir::Operation* op = ops_[static_cast<size_t>(action.step)];
      if (action.kind == StepAction::Kind::kWait) {
        mlir::OpBuilder builder(end);
        builder.create<step::WaitOp>(op->getLoc(), op->getResult(0));
        continue;
      }
      for (mlir::Value operand : op->getOperands()) {
        auto view = operand.getDefiningOp<step::ViewOp>();
        if (view && index_.contains(view.getBase().getDefiningOp()) && placed.insert(view).second)
          view->moveBefore(end);
      }
      op->moveBefore(end);
    }
  }

  const std::string machineName_;
  const double growth_;
  Bindings sizes_;
  std::vector<mlir::Operation*> ops_;
  llvm::DenseMap<mlir::Operation*, int> index_;
  mutable std::vector<AxisList> groups_;
};

}  // namespace

std::unique_ptr<mlir::Pass> createScheduleStepsPass(const std::string& machine, double growth) {
  return std::make_unique<ScheduleSteps>(machine, growth);
}

}  // namespace shardwright
