#include "compiler/dist/dist_dialect.h"
#include "compiler/dist/module_symbols.h"
#include "compiler/onnx/onnx_dialect.h"
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
  void getDependentDialects(mlir::DialectRegistry& registry) const final {
    registerDistDialect(registry);
    registry.insert<OnnxDialect>();
  }

  void runOnOperation() final {
    Facts facts = factsOf(getOperation());
    for (auto function : getOperation().getOps<mlir::func::FuncOp>()) {
      if (function.isExternal()) continue;
      mlir::Block& body = function.getBody().front();
      for (mlir::Operation* op = &body.front(); op;) {
        mlir::Operation* before = op->getPrevNode();
        mlir::Operation* next = op->getNextNode();
        if (expand(op, before, facts))
          op = before ? before->getNextNode() : &body.front();  // what was made may have to be expanded too
        else
          op = next;
      }
    }
  }

 private:
  static bool expand(mlir::Operation* op, mlir::Operation* before, const Facts& facts) {
    const Row* row = rowOf(op);
    if (!row || !row->expandOnImport) return false;
    mlir::OpBuilder builder(op);
    std::vector<mlir::Value> values = expansionOf(*row)->expand(builder, OpView(op, facts));
    if (values.empty()) return false;
    settleNewOps(op, before, values, facts);
    for (auto [result, value] : llvm::zip(op->getResults(), values)) {
      assert((value || result.use_empty()) && "a row's infer refuses results that its expansion leaves out");
      if (value) result.replaceAllUsesWith(value);
    }
    op->erase();
    return true;
  }
};

}  // namespace

std::unique_ptr<mlir::Pass> createExpandOnImportPass() { return std::make_unique<ExpandOnImport>(); }

}  // namespace shardwright
