#include "compiler/dist/module_symbols.h"
#include "compiler/ops/row.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"
#include "passes/passes.h"

namespace shardwright {
namespace {

// Rewrites every op that is lowered through other ops into them, until none is left.
//
// Contract: after it every op with a row has a scalar body, a reduction body, a view or a kernel. Types do not change.
struct ExpandOps : mlir::PassWrapper<ExpandOps, mlir::OperationPass<mlir::func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(ExpandOps)
  llvm::StringRef getArgument() const final { return "expand-ops"; }
  llvm::StringRef getDescription() const final { return "rewrite composite ops into simple ones"; }

  void runOnOperation() final {
    Facts facts = factsOf(getOperation()->getParentOfType<mlir::ModuleOp>());
    // An expansion may hold ops that expand in turn; it is never deeper than the ops' definitions nest.
    constexpr int kMaxDepth = 8;
    for (int depth = 0; depth < kMaxDepth; ++depth) {
      bool changed = false;
      for (mlir::Operation& op : llvm::make_early_inc_range(getOperation().getBody().front())) {
        const Row* row = rowOf(&op);
        const ExpandBody* body = row ? expansionOf(*row) : nullptr;
        if (!body) continue;
        if (mlir::failed(expand(&op, *body, facts))) return signalPassFailure();
        changed = true;
      }
      if (!changed) return;
    }
    getOperation().emitError("internal error: an op's expansion expands without end");
    signalPassFailure();
  }

  static const ExpandBody* expansionOf(const Row& row) {
    if (const auto* body = std::get_if<ExpandBody>(&row.lowering)) return body;
    bool none = std::holds_alternative<std::monostate>(row.lowering);
    return none && row.decomposition.expand ? &row.decomposition : nullptr;
  }

  static mlir::LogicalResult expand(mlir::Operation* op, const ExpandBody& body, const Facts& facts) {
    mlir::OpBuilder builder(op);
    std::vector<mlir::Value> values = body.expand(builder, OpView(op, facts));
    if (values.size() != op->getNumResults())
      return op->emitError("internal error: the expansion of ")
             << op->getName() << " gives " << values.size() << " results";
    for (auto [result, value] : llvm::zip(op->getResults(), values)) {
      if (value)
        result.replaceAllUsesWith(value);
      else if (!result.use_empty())
        return op->emitError("a result that is not supported is used: ") << op->getName();
    }
    op->erase();
    return mlir::success();
  }
};

}  // namespace

std::unique_ptr<mlir::Pass> createExpandOpsPass() { return std::make_unique<ExpandOps>(); }

}  // namespace shardwright
