// Owns how many floating point operations an op takes: its row's operations per point of its rule's factor space.
#pragma once

#include "compiler/ops/row.h"

namespace shardwright {

// On the op's shapes, global or local, at these sizes; a symbol without a size counts as 1.
double flopsOf(const Row& row, const Rule& rule, const Bindings& sizes);
// 0 for an op without a row or a rule.
double flopsOf(mlir::Operation* op, const Facts& facts, const Bindings& sizes);

}  // namespace shardwright
