#include "passes/pipeline.h"

#include <filesystem>

#include "compiler/dist/dist_dialect.h"
#include "compiler/emit/memory_limit.h"
#include "compiler/emit/step_dialect.h"
#include "compiler/ops/row_op.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"
#include "passes/diagnostics.h"
#include "passes/passes.h"

namespace shardwright {

void addPasses(mlir::PassManager& manager, const CompileOptions& options) {
  // import
  manager.addPass(createInferShapesPass());
  manager.addPass(createExpandOnImportPass());
  manager.addPass(createApplyPatternsPass());
  manager.addPass(mlir::createCSEPass());
  // annotate
  manager.addPass(createAnnotatePass(options.mesh, options.shardSpec));
  manager.addPass(createFollowAnnotationsPass());
  // stage
  manager.addPass(createAssignStagesPass(options.microbatches, options.schedule, options.memoryLimit));
  manager.addPass(createSplitStagesPass());
  // propagate
  manager.addPass(createChooseStrategiesPass());
  manager.addNestedPass<mlir::func::FuncOp>(createExpandDecomposedPass());
  manager.addNestedPass<mlir::func::FuncOp>(createInsertReshardsPass());
  manager.addNestedPass<mlir::func::FuncOp>(createVerifyPropagatedPass());
  if (!options.explain.empty()) manager.addPass(createExplainPass(options.explain));
  if (!options.annotatedPath.empty())
    manager.addPass(createWriteAnnotationsPass(options.modelPath, options.annotatedPath));
  // partition
  manager.addPass(createPartitionPass());
  manager.addPass(mlir::createCSEPass());
  // lower
  manager.addNestedPass<mlir::func::FuncOp>(createExpandOpsPass());
  manager.addPass(mlir::createCSEPass());
  manager.addNestedPass<mlir::func::FuncOp>(createFuseLoopsPass());
  manager.addNestedPass<mlir::func::FuncOp>(createSelectStepsPass());
  manager.addNestedPass<mlir::func::FuncOp>(createFuseEpiloguesPass());
  // optimize
  const double growth = options.memoryLimit > 0 ? 1 : 1.25;
  manager.addNestedPass<mlir::func::FuncOp>(createMergeCollectivesPass("cpu"));
  manager.addNestedPass<mlir::func::FuncOp>(createScheduleStepsPass("cpu", growth));
}

StatusOr<plan::Plan> compile(const CompileOptions& options) {
  CompileProgress progress(options.verbose);
  SW_ASSIGN_OR_RETURN(CpuTarget target, CpuTarget::resolve(options.target));
  progress.say("reading " + options.modelPath);
  SW_ASSIGN_OR_RETURN(ModelFile model, readModelFile(options.modelPath));
  mlir::DialectRegistry registry;
  registerDistDialect(registry);
  registerOnnxDialect(registry);
  registerStepDialect(registry);
  registry.insert<mlir::func::FuncDialect>();
  mlir::MLIRContext context(registry, mlir::MLIRContext::Threading::DISABLED);
  ErrorCollector errors(&context, model.name, progress);
  SW_ASSIGN_OR_RETURN(mlir::OwningOpRef<mlir::ModuleOp> module, importModel(&context, model, options.import));
  mlir::PassManager manager(&context);
  addPasses(manager, options);
  progress.watch(manager);
  if (!options.dumpFolder.empty()) SW_RETURN_IF_ERROR(dumpAfterEach(manager, options.dumpFolder));
  if (mlir::failed(manager.run(*module))) return errors.status();
  EmitOptions emit;
  emit.modelFolder = model.folder;
  emit.outputFolder = options.outputFolder;
  emit.target = std::move(target);
  emit.writeWeights = options.writeWeights;
  emit.progress = [&](int64_t done, int64_t total) { progress.sayBytes(done, total); };
  progress.say("laying out the plan");
  SW_ASSIGN_OR_RETURN(EmittedPlan emitted, buildPlan(*module, emit.target));
  if (options.memoryLimit > 0) SW_RETURN_IF_ERROR(limitMemory(emitted.plan, options.memoryLimit));
  if (options.dryRun) return std::move(emitted.plan);
  progress.say("compiling loops");
  return writePlan(std::move(emitted), *module, emit);
}

}  // namespace shardwright
