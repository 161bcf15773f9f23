#include "compiler/dist/dist_dialect.h"
#include "compiler/dist/module_symbols.h"
#include "compiler/dist/propagated_form.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"
#include "passes/passes.h"

namespace shardwright {
namespace {

// Checks the propagated form, and changes nothing. A failure is ours, never the user's.
//
//   V1  every argument, result and op says its shardings
//   V2  they are valid for their tensors and canonical
//   V3  every use wants what its value is held as
//   V4  arguments and results of the function are not partial
struct VerifyPropagated : mlir::PassWrapper<VerifyPropagated, mlir::OperationPass<mlir::func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(VerifyPropagated)
  llvm::StringRef getArgument() const final { return "verify-propagated"; }
  llvm::StringRef getDescription() const final { return "check the propagated form"; }

  void runOnOperation() final {
    auto module = getOperation()->getParentOfType<mlir::ModuleOp>();
    mesh_ = meshOf(module);
    facts_ = factsOf(module);
    mlir::Block& block = getOperation().getBody().front();
    for (mlir::BlockArgument argument : block.getArguments())
      check(argument, "argument " + std::to_string(argument.getArgNumber()), getOperation(), IsInterface::kYes);
    for (mlir::Operation& op : block) {
      for (mlir::OpResult result : op.getResults())
        check(result, "result " + std::to_string(result.getResultNumber()), &op, IsInterface::kNo);
      for (mlir::OpOperand& operand : op.getOpOperands()) checkUse(operand);
    }
  }

 private:
  enum class IsInterface { kYes, kNo };

  void complain(mlir::Operation* op, const std::string& what) {
    op->emitError("internal error: " + what);
    signalPassFailure();
  }

  void check(mlir::Value value, const std::string& name, mlir::Operation* op, IsInterface isInterface) {
    if (isNone(value)) return;
    std::optional<Sharding> held = heldSharding(value);
    if (!held) return complain(op, "V1: " + name + " has no sharding");
    checkSharding(*held, value, name, op);
    if (isInterface == IsInterface::kYes && !held->partial.empty()) complain(op, "V4: " + name + " is partial");
  }

  void checkSharding(const Sharding& sharding, mlir::Value value, const std::string& name, mlir::Operation* op) {
    Exprs dims = dimsOf(value.getType());
    if (Status status = validate(sharding, dims, mesh_, facts_); !status.ok())
      return complain(op, "V2: " + name + ": " + status.message());
    if (canonical(sharding, dims, facts_) != sharding)
      complain(op, "V2: " + name + ": " + str(sharding, mesh_) + " is not canonical");
  }

  void checkUse(mlir::OpOperand& use) {
    if (isNone(use.get())) return;
    mlir::Operation* op = use.getOwner();
    std::string name = "operand " + std::to_string(use.getOperandNumber());
    std::optional<Sharding> wanted = wantedSharding(use), held = heldSharding(use.get());
    if (!wanted) return complain(op, "V1: " + name + " has no sharding");
    if (held && *wanted != *held)
      complain(op, "V3: " + name + " is held as " + str(*held, mesh_) + " and wanted as " + str(*wanted, mesh_));
    if (mlir::isa<mlir::func::ReturnOp>(op) && !wanted->partial.empty()) complain(op, "V4: " + name + " is partial");
  }

  Mesh mesh_;
  Facts facts_;
};

}  // namespace

std::unique_ptr<mlir::Pass> createVerifyPropagatedPass() { return std::make_unique<VerifyPropagated>(); }

}  // namespace shardwright
