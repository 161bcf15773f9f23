#include "compiler/dist/dist_dialect.h"
#include "compiler/dist/module_symbols.h"
#include "compiler/onnx/onnx_dialect.h"
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
  void getDependentDialects(mlir::DialectRegistry& registry) const final {
    registerDistDialect(registry);
    registry.insert<OnnxDialect>();
  }

  void runOnOperation() final {
    for (const std::string& name : only_) checkName(name);
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
    [[maybe_unused]] mlir::LogicalResult ended =
        mlir::applyPatternsAndFoldGreedily(getOperation(), std::move(patterns), config);
    assert(succeeded(ended) && "without a limit there is nothing that could fail");
  }

 private:
  void checkName(const std::string& name) {
    std::string names;
    for (const shardwright::Pattern* pattern : allPatterns()) {
      if (pattern->name == name) return;
      names += (names.empty() ? "" : ", ") + std::string(pattern->name);
    }
    getOperation()->emitError("there is no pattern \"" + name + "\"; there are " + names);
    signalPassFailure();
  }

  ListOption<std::string> only_{*this, "only", llvm::cl::desc("Names of the patterns to apply; all by default")};
};

}  // namespace

std::unique_ptr<mlir::Pass> createApplyPatternsPass() { return std::make_unique<ApplyPatterns>(); }

}  // namespace shardwright
