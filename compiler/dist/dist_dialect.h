// Owns the registration of the `dist` dialect and the C++ classes of its ops. Its attributes are made and read through
// tensor_type.h and sharding.h.
#pragma once

#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"

#include "compiler/dist/dist_dialect.h.inc"

namespace shardwright {

// Makes the dialect known to contexts made with the registry.
void registerDistDialect(mlir::DialectRegistry& registry);

}  // namespace shardwright
