// Owns the choice of which ops share one generated loop nest. It changes no IR; see fuse_loops.cc.
//
// Ops with a scalar body and reductions join greedily, in program order, the group of a producer (and merge groups that they
// join), while all agree on one space of loop dims and contracting the group leaves the graph acyclic.
//
//   x[B,S,D] → Mul(x,x) → ReduceMean(-1) → Add eps → Sqrt → Div(x, ·) → Mul(·, gain[D])
//   one group: space [B,S,D], inner dim 2; Mul, Div and the last Mul are full, ReduceMean's result and what follows it are
//   [B,S,1], one value per outer point.
#pragma once

#include <vector>

#include "compiler/dist/tensor_type.h"
#include "mlir/IR/Block.h"
#include "runtime/base/facts.h"

namespace shardwright {

struct FusionGroup {
  std::vector<mlir::Operation*> ops;  // in program order
  Exprs space;                        // the loop dims
  std::vector<int64_t> inner;         // the dims of the space that the group's reductions run over; empty: none
  bool constant = false;              // depends on constants only, and so runs once at load
};

// Every op of the block that has a scalar or reduction body is in exactly one group.
std::vector<FusionGroup> findFusionGroups(mlir::Block& block, const Facts& facts);

}  // namespace shardwright
