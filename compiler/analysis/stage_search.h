// Owns the exact search for the best cut of clusters into stages: a dynamic programme over down-sets.
//
// A cut is a chain of down-sets {} = D0 ⊂ D1 ⊂ … ⊂ DP = all; stage s is D(s+1) \ D(s). What it costs follows from the two sets
// alone. Both terms of the objective, Σ t and max t, grow along the chain, so it is enough to keep, per number of stages and
// set, the pairs (Σ, max) that no other pair undercuts in both; Σ differs only by transfers, so there are few.
// A first cut is looked for among stages hardly longer than the mean; it then bounds the search that proves the best: from a
// set only those are tried as the stage's end that leave neither this stage nor the mean of the later ones too long.
//
//   a(3) ─▶ b(1) ─▶ c(4)   P = 2, and a's result takes 2 to send, b's 1:
//   {a} {b c}: Σ 8 + 2, max 5 + 2 = 7      {a b} {c}: Σ 8 + 1, max 4 + 1 = 5: undercuts the other in both
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "compiler/analysis/down_sets.h"
#include "compiler/analysis/stage_clusters.h"
#include "compiler/analysis/stage_memory.h"

namespace shardwright {

enum class EmptyStages { kAllowed, kRefused };

class StageSearch {
 public:
  // How many pairs of sets a search for any cut at all may look at.
  enum class Effort { kBounded, kAll };
  StageSearch(const StageGraph& graph, const StageClusters& clusters, const DownSets& sets,
              const StageCutOptions& options, Effort effort);

  struct Cut {
    std::vector<int> stageOf;  // by node
    int64_t ticks = 0;         // Σ + (M - 1) · max
    bool isProven = false;     // no other cut takes less; else the proof was given up
  };
  // Nothing if no cut keeps pins, limit (0: none) and, where refused, has no empty stage; or if the search was given up.
  std::optional<Cut> fastest(EmptyStages empty, int64_t memoryLimit);

  // The limit below which there is no cut at all; nothing if pins and empty stages leave none.
  std::optional<int64_t> smallestLimit(EmptyStages empty);
  // Whether the last of the two found nothing because it became too long.
  bool gaveUp() const { return gaveUp_; }

 private:
  struct Label {
    int64_t received;  // Σ transfers
    int64_t longest;   // max seconds
    int set;
    int previous;
  };
  struct Crossing {
    int64_t ticks;
    std::vector<int>
        firstConsumers;  // outside the set, none after another: one of them is in any later set with a consumer
  };
  struct Limits {
    int64_t memory;      // 0: none
    int64_t stageTicks;  // no stage is longer
    int64_t below;       // only cuts that take less are looked for
    int64_t pairs;       // of sets that may be looked at before the search is given up
  };
  void measureSets();
  const std::vector<Crossing>& crossings(int set);
  int64_t leastReceived(int set);
  int64_t receivedAtLeast(int set, int stagesLeft);
  bool mayEnd(int set, int stage) const { return testBit(mayEnd_[stage], set); }
  bool fits(int from, int to, int64_t limit);
  std::vector<int> nodesBetween(int from, int to) const;
  std::optional<Cut> fastestWithin(const Limits& limits);
  Cut cutAt(const std::vector<int>& ends, int64_t ticks) const;
  void extend(int stage, int set, Limits limits);
  void tryStage(int stage, int set, int next, const Limits& limits);
  template <typename F>
  void forEachLargerSet(int set, int stage, int first, int last, F visit) const;

  const StageGraph& graph_;
  const StageClusters& clusters_;
  const DownSets& sets_;
  const StageCutOptions& options_;
  StageMemory memory_;
  std::vector<Bits> ancestors_;  // of clusters
  int64_t total_ = 0;
  EmptyStages empty_ = EmptyStages::kRefused;
  std::vector<Bits> mayEnd_;  // by stage: sets at which it may end, as pins go
  std::vector<std::optional<std::vector<Crossing>>> crossings_;
  std::vector<int64_t> leastReceived_;
  std::vector<std::pair<int64_t, int>> byInput_;     // clusters by the ticks of all they read
  std::vector<int64_t> ownWeights_, crossingBytes_;  // by set; the latter once crossings() was asked for it
  const int64_t maxPairs_;                           // without a cut
  int64_t numPairs_ = 0;
  bool gaveUp_ = false;
  std::vector<Label> labels_;
  std::vector<std::vector<int>> front_, nextFront_;  // by set: labels that nothing undercuts
};

}  // namespace shardwright
