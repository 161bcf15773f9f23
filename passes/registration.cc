#include "passes/passes.h"

namespace shardwright {

void registerPasses() {
  for (auto create : {createInferShapesPass}) mlir::registerPass(create);
}

}  // namespace shardwright
