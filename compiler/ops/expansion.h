// Owns how an op is replaced by its row's expansion. It does not decide when.
#pragma once

#include "compiler/ops/row.h"

namespace shardwright {

// The row's lowering if that is an expansion, else its decomposition; null if it has neither.
const ExpandBody* expansionOf(const Row& row);

// The row of an op that is another way to write its expansion, and nothing else: import replaces it.
using ExpandFunction = std::vector<mlir::Value> (*)(mlir::OpBuilder& builder, const OpView& op);
Row expandedOnImport(const char* name, Status (*infer)(const OpView& op, llvm::SmallVectorImpl<TensorShape>& results),
                     ExpandFunction expand, const char* domain = "");

// Replaces the op by its expansion and erases it; the values have the types of the op's results. False, and nothing changed, if
// the row has none or it does not apply.
bool expandOp(mlir::OpBuilder& builder, mlir::Operation* op, const Row& row, const Facts& facts);

}  // namespace shardwright
