// Owns how much work an op is at given sizes: its row's operations per point of its rule's factor space, and the bytes of
// values. What it costs in time is compiler/target's.
#pragma once

#include "compiler/analysis/axis_strategies.h"
#include "compiler/ops/row.h"

namespace shardwright {

// A size; 1 where a symbol of it has none.
double sizeAt(Expr size, const Bindings& sizes);
// Of all elements of a value.
double bytesAt(mlir::Value value, const Bindings& sizes);

// On the op's shapes, global or local.
double flopsOf(const Row& row, const Rule& rule, const Bindings& sizes);
// 0 for an op without a row or a rule.
double flopsOf(mlir::Operation* op, const Facts& facts, const Bindings& sizes);

}  // namespace shardwright
