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

mlir::LogicalResult step::ViewOp::verify() {
  if (getBase().getDefiningOp<step::ViewOp>())
    return emitOpError("has a step.view as its base; views are given on buffers");
  return mlir::success();
}

void registerStepDialect(mlir::DialectRegistry& registry) { registry.insert<step::StepDialect>(); }

}  // namespace shardwright
