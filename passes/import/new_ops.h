// Owns what ops that a rewrite put before another one need so that they are as good as imported ones.
#pragma once

#include "compiler/ops/row.h"

namespace shardwright {

// For the ops between `before` (null: the block's begin) and `op`, which `values` are to replace: names, of which only those that
// stand for the op's results have the results' names (value_names.h), and operands that say sizes folded into "static".
void settleNewOps(mlir::Operation* op, mlir::Operation* before, llvm::ArrayRef<mlir::Value> values, const Facts& facts);

}  // namespace shardwright
