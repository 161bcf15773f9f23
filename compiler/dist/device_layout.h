// Owns the two ways of saying who holds which shard, as mesh axes and as explicit lists of ranks, and the way from one to the
// other. It does not own what is split: a tensor's dims and their sizes are sharding.h's.
#pragma once

#include <vector>

#include "compiler/dist/mesh.h"

namespace shardwright {

// By shard, in row-major order of the split factors (the first one outermost), the ranks that hold it, ascending. factors: of each the axes
// that split it, none overlapping.
//   mesh dp=2,tp=2, factors [{tp}]:        [[0, 2], [1, 3]]
//   factors [{tp}, {dp}]:                  [[0], [2], [1], [3]]
//   no factors:                            [[0, 1, 2, 3]]
std::vector<std::vector<int64_t>> ranksOfShards(const Mesh& mesh, llvm::ArrayRef<AxisList> factors);

// The inverse: the axes of each factor, which is split into counts[i] shards. Every rank holds exactly one shard. kUserError where the
// lists are no arrangement along mesh axes, saying what is wrong with them.
StatusOr<std::vector<AxisList>> axesOfShards(const Mesh& mesh, llvm::ArrayRef<int64_t> counts,
                                             const std::vector<std::vector<int64_t>>& ranksOfShards);

}  // namespace shardwright
