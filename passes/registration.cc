#include "passes/passes.h"

namespace shardwright {

void registerPasses() {
  std::unique_ptr<mlir::Pass> (*const all[])() = {
      createInferShapesPass,
      createExpandOnImportPass,
      createApplyPatternsPass,
      //
      createPartitionPass,
      //
      createExpandOpsPass,
      createFuseLoopsPass,
      createSelectStepsPass,
  };
  for (auto create : all) mlir::registerPass(create);
}

}  // namespace shardwright
