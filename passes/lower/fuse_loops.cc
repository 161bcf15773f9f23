#include "compiler/dist/dist_dialect.h"
#include "compiler/dist/module_symbols.h"
#include "compiler/emit/step_dialect.h"
#include "compiler/onnx/onnx_dialect.h"
#include "compiler/ops/row.h"
#include "mlir/Analysis/TopologicalSortUtils.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Pass/Pass.h"
#include "passes/lower/fusion_groups.h"
#include "passes/passes.h"

namespace shardwright {
namespace {

// Whether a constant belongs inside the loop: one number, which becomes an immediate.
bool isImmediate(mlir::Operation* op) {
  if (!op || op->getNumOperands() != 0) return false;
  auto value = op->getAttrOfType<mlir::DenseElementsAttr>("value");
  return value && value.getNumElements() == 1;
}

// Moves each group's ops into the region of one step.fused.
//
// Contract: every op with a scalar or a reduction body ends in exactly one step.fused, whose attribute "space" is the loop
// dims and "inner" the dims that its reductions run over. Other ops stay; their order may change.
struct FuseLoops : mlir::PassWrapper<FuseLoops, mlir::OperationPass<mlir::func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(FuseLoops)
  llvm::StringRef getArgument() const final { return "fuse-loops"; }
  llvm::StringRef getDescription() const final { return "fuse elementwise chains and reductions into loop nests"; }
  void getDependentDialects(mlir::DialectRegistry& registry) const final {
    registerDistDialect(registry);
    registry.insert<OnnxDialect>();
    registerStepDialect(registry);
  }

  void runOnOperation() final {
    mlir::Block& block = getOperation().getBody().front();
    Facts facts = factsOf(getOperation()->getParentOfType<mlir::ModuleOp>());
    for (const FusionGroup& group : findFusionGroups(block, facts)) outline(group);
    mlir::sortTopologically(&block);
  }

  static void outline(const FusionGroup& group) {
    llvm::SmallPtrSet<mlir::Operation*, 16> members(group.ops.begin(), group.ops.end());
    llvm::SetVector<mlir::Value> inputs, outputs;
    llvm::SmallVector<mlir::Location> locations;
    for (mlir::Operation* op : group.ops) {
      locations.push_back(op->getLoc());
      for (mlir::Value operand : op->getOperands())
        if (!members.contains(operand.getDefiningOp()) && !mlir::isa<mlir::NoneType>(operand.getType()) &&
            !isImmediate(operand.getDefiningOp()))
          inputs.insert(operand);
      for (mlir::Value result : op->getResults())
        if (llvm::any_of(result.getUsers(), [&](mlir::Operation* user) { return !members.contains(user); }))
          outputs.insert(result);
    }
    mlir::OpBuilder builder(group.ops.back());
    llvm::SmallVector<mlir::Type> types;
    for (mlir::Value output : outputs) types.push_back(output.getType());
    auto fused = builder.create<step::FusedOp>(builder.getFusedLoc(locations), types, inputs.getArrayRef());
    fused->setAttr("space", exprsAttr(builder.getContext(), group.space));
    fused->setAttr("inner", builder.getDenseI64ArrayAttr(group.inner));
    mlir::Block* body = builder.createBlock(&fused.getBody());
    mlir::IRMapping mapping;
    for (mlir::Value input : inputs) mapping.map(input, body->addArgument(input.getType(), input.getLoc()));
    for (mlir::Operation* op : group.ops) {
      // Immediates and absent operands are cloned beside their reader.
      for (mlir::Value operand : op->getOperands())
        if (!mapping.contains(operand)) mapping.map(operand, builder.clone(*operand.getDefiningOp())->getResult(0));
      builder.clone(*op, mapping);
    }
    llvm::SmallVector<mlir::Value> yielded;
    for (mlir::Value output : outputs) yielded.push_back(mapping.lookup(output));
    builder.create<step::YieldOp>(fused.getLoc(), yielded);
    for (auto [i, result] : llvm::enumerate(fused.getOutputs())) mlir::Value(outputs[i]).replaceAllUsesWith(result);
    for (mlir::Operation* op : llvm::reverse(group.ops)) op->erase();
  }
};

}  // namespace

std::unique_ptr<mlir::Pass> createFuseLoopsPass() { return std::make_unique<FuseLoops>(); }

}  // namespace shardwright
