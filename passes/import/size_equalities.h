// Owns what follows when an op's operands must have equal sizes and the sizes' expressions differ. It does not own which sizes
// must be equal; rows' shape functions say that (OpView::assumeEqual).
#pragma once

#include <vector>

#include "compiler/ops/op_view.h"
#include "mlir/IR/BuiltinOps.h"

namespace shardwright {

// Makes the sizes equal for good: solves each equality for one symbol, replaces that symbol in every type and attribute of
// the module, adds the equality to dist.equalities and to `facts`, and takes the symbol out of dist.symbols (its
// upper bound goes to the symbols that it is the sum of).
//   total = past + new  ->  "total" becomes "past + new"          7 = past + new  ->  "past" becomes "7 - new"
//   past = min(past, 512)  ->  "past" is at most 512, and min(past, 512) becomes "past"
//   1 = min(new, 1)  ->  "new" is at least 1
// kUserError if no symbol can be solved for.
Status stateEqualities(mlir::ModuleOp module, const std::vector<SizeEquality>& equalities, Facts& facts);

}  // namespace shardwright
