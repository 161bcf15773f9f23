// Owns the registration of the `dist` dialect and the C++ classes of its ops. Its attributes are made and read through
// tensor_type.h and sharding.h.
#pragma once

#include "compiler/dist/dist_attrs.h"
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "compiler/dist/dist_dialect.h.inc"
#include "compiler/dist/dist_enums.h.inc"
#define GET_OP_CLASSES
#include "compiler/dist/dist_ops.h.inc"

namespace shardwright {

// The two say the same; kNone has no dist::Combiner.
inline dist::Combiner combinerOf(PartialKind kind) { return static_cast<dist::Combiner>(kind); }
inline PartialKind partialKindOf(dist::Combiner combiner) { return static_cast<PartialKind>(combiner); }

// Makes the dialect known to contexts made with the registry.
void registerDistDialect(mlir::DialectRegistry& registry);

}  // namespace shardwright
