// Owns the bytes that a set of nodes needs as one pipeline stage (StageCost::weightBytes and activationBytes).
#pragma once

#include <cstdint>
#include <vector>

#include "compiler/analysis/stage_cut.h"

namespace shardwright {

class StageMemory {
 public:
  explicit StageMemory(const StageGraph& graph);

  struct Bytes {
    int64_t weights = 0, activations = 0;
    int64_t total() const { return weights + activations; }
  };
  // `nodes` ascending: a stage of a cut, so that whoever else uses their results is in a later stage.
  Bytes of(const std::vector<int>& nodes) const;

  // Bounds that need no walk: every stage with the node holds at least its own weights; no stage holds more activations
  // than mostLive(), what it receives and what it sends, nor more weights than its nodes' own and the shared ones.
  int64_t ownWeights(int node) const { return ownWeights_[node]; }
  int64_t sharedWeights() const { return sharedWeights_; }
  int64_t mostLive() const { return mostLive_; }

 private:
  const StageGraph& graph_;
  std::vector<std::vector<int>> read_, written_;  // values by node, each once
  std::vector<std::vector<int>> consumers_;       // by value, ascending, each once
  std::vector<std::vector<int>> constants_;       // by node, each once
  std::vector<int64_t> ownWeights_;
  int64_t sharedWeights_ = 0, mostLive_ = 0;
  // Scratch of of(): what this call has seen carries its number.
  mutable std::vector<int64_t> nodeSeen_, valueSeen_, constantSeen_;
  mutable int64_t call_ = 0;
};

}  // namespace shardwright
