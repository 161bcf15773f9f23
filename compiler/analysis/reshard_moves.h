// Owns the single steps that lead from a sharding in the direction of another. It does not own their cost nor their choice;
// see reshard_planner.h.
#pragma once

#include <vector>

#include "compiler/analysis/reshard_planner.h"

namespace shardwright {

// Two shardings of one dim with their factors cut alike. Where that cannot be, `aligned` is false, `a` are the factors as
// they are and `b` is empty.
//   (batch*heads){dp}/batch and batch*heads{tp}      batch{dp}*heads and batch*heads{tp}
//   768{tp}/12 and 3*256{tp}                         not: twelve granules do not fall into three
struct AlignedDim {
  bool aligned = true;
  llvm::SmallVector<DimSplit, 2> a, b;
};
AlignedDim align(const DimSharding& a, const DimSharding& b, Expr dim);

// The steps out of `state` that may lie on a cheapest way to `target`; every way of gathering what is not kept is among
// them, so that `target` is always reached. `seconds` is not set.
std::vector<ReshardStep> movesTowards(const Sharding& state, const Sharding& target, llvm::ArrayRef<Expr> dims,
                                      const Mesh& mesh, const Facts& facts);

}  // namespace shardwright
