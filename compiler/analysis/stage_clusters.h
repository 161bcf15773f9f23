// Owns the graph that the stage search sees: clusters of ops that stay together, the values between them, and the stages that
// pins leave to each. With one op per cluster the search is exact; merging says what it may cost.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "compiler/analysis/down_sets.h"
#include "compiler/analysis/stage_cut.h"

namespace shardwright {

// Seconds as integers, so that sums do not depend on their order and ties are ties.
struct Ticks {
  double perSecond = 1;
  int64_t of(double seconds) const { return std::llround(seconds * perSecond); }
  double seconds(int64_t ticks) const { return ticks / perSecond; }
};

struct StageClusters {
  struct Value {
    int producer;
    std::vector<int> consumers;  // ascending, each once
    int64_t ticks;               // one transfer
    int64_t liveBytes;
  };
  std::vector<std::vector<int>> members;  // nodes, ascending
  std::vector<int64_t> ticks;
  std::vector<int> earliest, latest;  // stage, by pins of the cluster and of those before and after it
  std::vector<Value> values;
  Dag dag;
  Ticks clock;
  // An optimum of the whole graph is at most this much below the best cut of the clusters, if empty stages are allowed in
  // the latter and there is no memory limit.
  double penaltySeconds = 0;

  int size() const { return static_cast<int>(members.size()); }
};

double transferSeconds(const StageGraph::Value& value, const StageCutOptions& options);

StageClusters oneOpPerCluster(const StageGraph& graph, const StageCutOptions& options);

// Merges ops of at most maxSeconds into their only consumer, then into their only producer, as long as they have one.
// Moving such an op there from wherever an optimum has it costs its seconds in one stage, and the transfers by which its
// operands exceed its results (or the reverse): penaltySeconds adds this up. An op without time that makes nothing larger,
// like a reshape, costs nothing.
StageClusters mergeCheapOps(const StageGraph& graph, const StageCutOptions& options, double maxSeconds);

// The ops in one line, so that there is one cut between any two: n + 1 down-sets, no promise about the optimum.
StageClusters inOneLine(const StageGraph& graph, const StageCutOptions& options);

}  // namespace shardwright
