// Owns the cutting of weights: it streams each weight of the model once, in order, and appends every shard's bytes to that
// shard's file. Memory stays at a few blocks, whatever the model's size.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "compiler/emit/emit_programs.h"

namespace shardwright {

using Progress = std::function<void(int64_t doneBytes, int64_t totalBytes)>;

// Writes folder/weights/<set>-<k>.safetensors for every weight set of the plan and fills the constants' checksums and the
// plan's sections. Locations are relative to modelFolder. kEnvironment if the disk is too small, before anything is written.
Status writeWeights(const std::vector<WeightSource>& weights, plan::Plan& plan, const Mesh& mesh,
                    const std::string& modelFolder, const std::string& folder, const Progress& progress);

// Where in a weight one shard lies: per dim, the ascending ranges of indices that it holds.
struct IndexRange {
  int64_t begin, end;
};
using ShardRanges = std::vector<std::vector<IndexRange>>;
// `file` is the shard's number in the weight set over `axes` (ascending).
StatusOr<ShardRanges> shardRanges(const WeightSource& weight, llvm::ArrayRef<SubAxis> axes, int64_t file,
                                  const Mesh& mesh);

}  // namespace shardwright
