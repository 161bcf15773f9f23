#include "compiler/dist/module_symbols.h"
#include "compiler/ops/expansion.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/import/new_ops.h"
#include "passes/passes.h"

namespace shardwright {
namespace {

// Replaces each op whose row says that it is another way to write other ops (row.expandOnImport) by those, until there is none
// whose expansion applies: Gemm by MatMul and Add, Attention by products and a softmax, Tile by Expand.
class ExpandOnImport : public mlir::PassWrapper<ExpandOnImport, mlir::OperationPass<mlir::ModuleOp>> {
 public:
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(ExpandOnImport)
  llvm::StringRef getArgument() const final { return "expand-on-import"; }
  llvm::StringRef getDescription() const final { return "replace ops that are another way to write others"; }

  void runOnOperation() final {
    Facts facts = factsOf(getOperation());
    for (auto function : getOperation().getOps<mlir::func::FuncOp>()) {
      if (function.isExternal()) continue;
      mlir::Block& body = function.getBody().front();
      for (mlir::Operation* op = &body.front(); op;) {
        mlir::Operation* before = op->getPrevNode();
        mlir::Operation* next = op->getNextNode();
        mlir::FailureOr<bool> expanded = expand(op, before, facts);
        if (failed(expanded)) return signalPassFailure();
        if (*expanded)
          op = before ? before->getNextNode() : &body.front();  // what was made may have to be expanded too
        else
          op = next;
      }
    }
  }

 private:
  static mlir::FailureOr<bool> expand(mlir::Operation* op, mlir::Operation* before, const Facts& facts) {
    const Row* row = rowOf(op);
    if (!row || !row->expandOnImport) return false;
    mlir::OpBuilder builder(op);
    std::vector<mlir::Value> values = expansionOf(*row)->expand(builder, OpView(op, facts));
    if (values.empty()) return false;
    settleNewOps(op, before, values, facts);
    for (auto [result, value] : llvm::zip(op->getResults(), values)) {
      if (value)
        result.replaceAllUsesWith(value);
      else if (!result.use_empty())
        return mlir::emitError(op->getLoc(), "internal error: the expansion of ")
               << op->getName() << " leaves out result " << result.getResultNumber() << ", which is used";
    }
    op->erase();
    return true;
  }
};

}  // namespace

std::unique_ptr<mlir::Pass> createExpandOnImportPass() { return std::make_unique<ExpandOnImport>(); }

}  // namespace shardwright
