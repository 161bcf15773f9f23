// Owns the choice of the values that are computed in the caller's outputs, so that no step copies them there.
#pragma once

#include "compiler/analysis/constant_values.h"
#include "compiler/dist/dist_dialect.h"
#include "compiler/emit/value_view.h"
#include "llvm/ADT/DenseMap.h"

namespace shardwright {

// Where a value lies that has no buffer of its own.
struct OutputPlacement {
  mlir::Value global;  // the output
  Expr offset;
  Exprs strides;  // of the value's dims; empty: dense
};
using OutputPlacements = llvm::DenseMap<mlir::Value, OutputPlacement>;

// By what dist.write writes. A value is placed if a step makes it, every rank writes it, and this rank's part of the output is
// dense, or only kernels write and read the value, which take any strides.
//   logits[B, S, V] split along V by tp: offset begin(@tp), strides S·V, V, 1 with the global V
StatusOr<OutputPlacements> placeInOutputs(mlir::Block& block, const ConstantValues& constants, const Facts& facts,
                                          const Mesh& mesh);

// The window of the output that a rank writes.
StatusOr<SymbolicView> outputPart(dist::WriteOp write, const Mesh& mesh);

}  // namespace shardwright
