#include "passes/passes.h"

namespace shardwright {

void registerPasses() {
  std::unique_ptr<mlir::Pass> (*const all[])() = {
      createInferShapesPass,
      createExpandOnImportPass,
      createApplyPatternsPass,
      //
      createFollowAnnotationsPass,
      //
      createSplitStagesPass,
      //
      createChooseStrategiesPass,
      createExpandDecomposedPass,
      createInsertReshardsPass,
      createVerifyPropagatedPass,
      //
      createPartitionPass,
      //
      createExpandOpsPass,
      createFuseLoopsPass,
      createSelectStepsPass,
      createFuseEpiloguesPass,
  };
  for (auto create : all) mlir::registerPass(create);
  mlir::registerPass([] { return createAnnotatePass(); });
  mlir::registerPass([] { return createMergeCollectivesPass(); });
  mlir::registerPass([] { return createScheduleStepsPass(); });
  mlir::registerPass([] { return createAssignStagesPass(); });
  mlir::registerPass([] { return createWriteAnnotationsPass(); });
  mlir::registerPass([] { return createExplainPass(); });
}

}  // namespace shardwright
