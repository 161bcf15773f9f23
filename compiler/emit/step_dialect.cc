#include "compiler/emit/step_dialect.h"

#include "mlir/IR/Builders.h"

#include "compiler/emit/step_dialect.cpp.inc"
#define GET_OP_CLASSES
#include "compiler/emit/step_ops.cpp.inc"

namespace shardwright {

void step::StepDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "compiler/emit/step_ops.cpp.inc"
      >();
}

void registerStepDialect(mlir::DialectRegistry& registry) { registry.insert<step::StepDialect>(); }

}  // namespace shardwright
