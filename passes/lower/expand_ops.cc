#include <cmath>
#include <limits>

#include "compiler/dist/dist_dialect.h"
#include "compiler/dist/module_symbols.h"
#include "compiler/onnx/onnx_dialect.h"
#include "compiler/ops/node_builder.h"
#include "compiler/ops/row.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"
#include "passes/passes.h"

namespace shardwright {
namespace {

// The number that leaves a combination as it is.
double neutralElement(dist::Combiner combiner, DType dtype) {
  double least = isFloat(dtype) ? -std::numeric_limits<double>::infinity() : -std::ldexp(1.0, bitWidth(dtype) - 1);
  switch (combiner) {
    case dist::Combiner::sum:
      return 0;
    case dist::Combiner::prod:
      return 1;
    case dist::Combiner::max:
      return least;
    case dist::Combiner::min:
      return isFloat(dtype) ? -least : std::ldexp(1.0, bitWidth(dtype) - 1) - 1;
  }
  return 0;
}

// dist.mask as a choice between the value and the neutral element, which fuses with what is around it.
void expandMask(dist::MaskOp mask, const Facts& facts) {
  mlir::OpBuilder builder(mask);
  NodeBuilder n(builder, OpView(mask, facts));
  DType dtype = dtypeOf(mask.getInput().getType());
  Expr position = meshOf(mask->getParentOfType<mlir::ModuleOp>()).coordinate(mask.getAxes().axes());
  mlir::Value isFirst = n.node("Cast", {n.expr(Expr(1) - Expr::min(position, 1))},
                               {{"to", n.intAttr(static_cast<int64_t>(DType::kBool))}});
  mlir::Value other = n.scalar(neutralElement(mask.getCombiner(), dtype), dtype);
  mask.replaceAllUsesWith(n.node("Where", {isFirst, mask.getInput(), other}));
  mask.erase();
}

// Rewrites every op that is lowered through other ops into them, until none is left.
//
// Contract of expand-ops: after it every op with a row has a scalar body, a reduction body, a view or a kernel, and no
// dist.mask is left. Types do not change.
struct ExpandOps : mlir::PassWrapper<ExpandOps, mlir::OperationPass<mlir::func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(ExpandOps)
  llvm::StringRef getArgument() const final { return "expand-ops"; }
  llvm::StringRef getDescription() const final { return "rewrite composite ops into simple ones"; }

  void getDependentDialects(mlir::DialectRegistry& registry) const final {
    registerDistDialect(registry);
    registry.insert<OnnxDialect>();
  }

  void runOnOperation() final {
    Facts facts = factsOf(getOperation()->getParentOfType<mlir::ModuleOp>());
    // An expansion may hold ops that expand in turn; it is never deeper than the ops' definitions nest.
    constexpr int kMaxDepth = 8;
    for (int depth = 0; depth < kMaxDepth; ++depth) {
      bool changed = false;
      for (mlir::Operation& op : llvm::make_early_inc_range(getOperation().getBody().front())) {
        if (auto mask = mlir::dyn_cast<dist::MaskOp>(op)) {
          expandMask(mask, facts);
          continue;
        }
        const Row* row = rowOf(&op);
        const ExpandBody* body = row ? expansionOf(*row) : nullptr;
        if (!body) continue;
        expand(&op, *body, facts);
        changed = true;
      }
      if (!changed) return;
    }
    assert(false && "an op's expansion expands without end");
  }

  static const ExpandBody* expansionOf(const Row& row) {
    if (const auto* body = std::get_if<ExpandBody>(&row.lowering)) return body;
    bool none = std::holds_alternative<std::monostate>(row.lowering);
    return none && row.decomposition.expand ? &row.decomposition : nullptr;
  }

  static void expand(mlir::Operation* op, const ExpandBody& body, const Facts& facts) {
    mlir::OpBuilder builder(op);
    std::vector<mlir::Value> values = body.expand(builder, OpView(op, facts));
    assert(values.size() == op->getNumResults() && "an expansion gives a value for each result");
    for (auto [result, value] : llvm::zip(op->getResults(), values)) {
      assert((value || result.use_empty()) && "a row's infer refuses results that its expansion leaves out");
      if (value) result.replaceAllUsesWith(value);
    }
    op->erase();
  }
};

}  // namespace

std::unique_ptr<mlir::Pass> createExpandOpsPass() { return std::make_unique<ExpandOps>(); }

}  // namespace shardwright
