// Owns the reading and making of step.view: where in which buffer a value of the lowered form lies.
#pragma once

#include "compiler/ops/row.h"
#include "mlir/IR/Builders.h"

namespace shardwright {

// Row-major, from offset 0.
SymbolicView denseView(llvm::ArrayRef<Expr> dims);
bool isDense(const SymbolicView& view);  // provably, up to dims of size 1

// The window that `value` is: its own dims on the buffer of baseOf(value).
SymbolicView viewOf(mlir::Value value);
// The value whose buffer it lies in; never the result of a step.view.
mlir::Value baseOf(mlir::Value value);

// `view`, given on the buffer of baseOf(value), as a value; `value` itself, or its base, where the window is all of it.
mlir::Value createView(mlir::OpBuilder& builder, mlir::Location loc, mlir::Value value, const SymbolicView& view);

// This rank's part of a view of a global tensor, as a view; nothing if a dim is split other than into contiguous parts.
std::optional<SymbolicView> shardWindow(const Sharding& sharding, SymbolicView global, const Mesh& mesh);

}  // namespace shardwright
