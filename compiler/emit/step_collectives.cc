#include "compiler/emit/step_collectives.h"

namespace shardwright {

std::optional<StepCollective> collectiveOf(mlir::Operation*) { return std::nullopt; }

bool isOutputWrite(mlir::Operation* op) { return op->getName().getStringRef() == "dist.write"; }

}  // namespace shardwright
