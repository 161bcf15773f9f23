// Owns the step dialect: the ops of the lowered form. It does not own how they become a plan; see emit_plan.h.
#pragma once

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "compiler/emit/step_dialect.h.inc"
#define GET_OP_CLASSES
#include "compiler/emit/step_ops.h.inc"

namespace shardwright {
void registerStepDialect(mlir::DialectRegistry& registry);
}
