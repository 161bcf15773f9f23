// Owns the choice of the values that are computed where they are wanted, in the caller's outputs or one behind the other, so
// that no step copies them there.
#pragma once

#include "compiler/analysis/constant_values.h"
#include "compiler/dist/dist_dialect.h"
#include "compiler/emit/value_view.h"
#include "llvm/ADT/DenseMap.h"

namespace shardwright {

// Where a value lies that has no buffer of its own.
struct OutputPlacement {
  mlir::Value global;  // the output, or the result of the step.concat
  Expr offset;
  Exprs strides;  // of the value's dims; empty: dense
};
using OutputPlacements = llvm::DenseMap<mlir::Value, OutputPlacement>;

// By what dist.write writes and step.concat reads. A value is placed in an output if a step makes it, every rank writes it, and this
// rank's part of the output is dense, or only kernels write and read the value, which take any strides.
//   logits[B, S, V] split along V by tp: offset begin(@tp), strides S·V, V, 1 with the global V
// It is placed in a concatenation, that is not in an output itself, if a step makes it and it lies there densely.
StatusOr<OutputPlacements> placeValues(mlir::Block& block, const ConstantValues& constants, const Facts& facts,
                                       const Mesh& mesh);

// Whether the buffer of a value may become a dense part of a larger one: a step of a run makes it, and it is all of its buffer.
bool canBePlaced(mlir::Value value, const ConstantValues& constants);

// The window of the output that a rank writes.
StatusOr<SymbolicView> outputPart(dist::WriteOp write, const Mesh& mesh);

}  // namespace shardwright
