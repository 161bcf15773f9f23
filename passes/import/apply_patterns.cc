#include "compiler/dist/module_symbols.h"
#include "compiler/ops/patterns/patterns.h"
#include "compiler/ops/row_op.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "passes/import/new_ops.h"
#include "passes/passes.h"

namespace shardwright {
namespace {

// One pattern as the rewriting driver wants it.
class PatternRewrite : public mlir::RewritePattern {
 public:
  struct AnyOp {};
  PatternRewrite(const shardwright::Pattern& pattern, const Facts& facts, mlir::MLIRContext* context)
      : RewritePattern(irName("", pattern.root), 1, context), pattern_(pattern), facts_(facts) {}
  PatternRewrite(AnyOp, const shardwright::Pattern& pattern, const Facts& facts, mlir::MLIRContext* context)
      : RewritePattern(MatchAnyOpTypeTag(), 1, context), pattern_(pattern), facts_(facts) {}

  mlir::LogicalResult matchAndRewrite(mlir::Operation* op, mlir::PatternRewriter& rewriter) const final {
    if (!rowOf(op)) return mlir::failure();
    mlir::Operation* before = op->getPrevNode();
    OpView view(op, facts_);
    NodeBuilder build(rewriter, view);
    std::optional<std::vector<mlir::Value>> values = pattern_.rewrite(build, view);
    if (!values) return mlir::failure();
    settleNewOps(op, before, *values, facts_);
    rewriter.replaceOp(op, *values);
    return mlir::success();
  }

 private:
  const shardwright::Pattern& pattern_;
  const Facts& facts_;
};

// Applies compiler/ops/patterns until nothing fits, and erases what is no longer used.
//   Reshape(Transpose(Reshape(k))) -> Transpose(k)      Split(Gemm(x, W)) -> Gemm(x, W[:,0:8]), Gemm(x, W[:,8:16])
class ApplyPatterns : public mlir::PassWrapper<ApplyPatterns, mlir::OperationPass<mlir::ModuleOp>> {
 public:
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(ApplyPatterns)
  ApplyPatterns() = default;
  ApplyPatterns(const ApplyPatterns& other) : PassWrapper(other) {}
  llvm::StringRef getArgument() const final { return "apply-patterns"; }
  llvm::StringRef getDescription() const final {
    return "rewrite what exporters write into what sharding sees through";
  }

  void runOnOperation() final {
    Facts facts = factsOf(getOperation());
    mlir::RewritePatternSet patterns(&getContext());
    for (const shardwright::Pattern* pattern : allPatterns()) {
      if (!only_.empty() && !llvm::is_contained(only_, pattern->name)) continue;
      if (pattern->root)
        patterns.add<PatternRewrite>(*pattern, facts, &getContext());
      else
        patterns.add<PatternRewrite>(PatternRewrite::AnyOp(), *pattern, facts, &getContext());
    }
    mlir::GreedyRewriteConfig config;
    config.enableRegionSimplification = mlir::GreedySimplifyRegionLevel::Disabled;
    config.maxIterations = mlir::GreedyRewriteConfig::kNoLimit;
    if (failed(mlir::applyPatternsAndFoldGreedily(getOperation(), std::move(patterns), config))) {
      getOperation()->emitError("internal error: patterns do not come to an end");
      signalPassFailure();
    }
  }

 private:
  ListOption<std::string> only_{*this, "only", llvm::cl::desc("Names of the patterns to apply; all by default")};
};

}  // namespace

std::unique_ptr<mlir::Pass> createApplyPatternsPass() { return std::make_unique<ApplyPatterns>(); }

}  // namespace shardwright
