#include "passes/passes.h"

namespace shardwright {

void registerPasses() {
  for (auto create : {createInferShapesPass, createExpandOnImportPass, createPartitionPass, createExpandOpsPass,
                      createFuseLoopsPass, createSelectStepsPass})
    mlir::registerPass(create);
}

}  // namespace shardwright
