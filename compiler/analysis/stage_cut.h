// Owns the cut of a graph into pipeline stages: which op goes to which stage, so that a pipeline of M microbatches ends
// soonest. It knows neither MLIR nor shardings: seconds and bytes come from the caller.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/base/status.h"

namespace shardwright {

struct StageGraph {
  struct Node {
    std::string name;    // for messages
    double seconds = 0;  // of one microbatch
    int pin = -1;        // the stage it must be in; -1: free
  };
  struct Value {
    int producer = -1;  // -1: a graph input, which every stage reads from the caller: nothing moves
    std::vector<int> consumers;
    double bytes = 0;       // that cross if a later stage needs it; 0: it is known everywhere, like a shape
    int64_t liveBytes = 0;  // that a rank holds while the value lives
    bool isOutput = false;  // lives to the end of its stage; any stage may give an output to the caller
  };
  // A weight. Every stage with a user holds it: tied embeddings count in the first and in the last one.
  struct Constant {
    int64_t bytes = 0;  // per rank
    std::vector<int> users;
  };
  std::vector<Node> nodes;  // in a topological order, in which a stage runs its own
  std::vector<Value> values;
  std::vector<Constant> constants;
};

struct StageCutOptions {
  int numStages = 1;
  int microbatches = 1;     // with 1 nothing asks for balance; a caller who wants it passes what he expects to run
  int64_t memoryLimit = 0;  // bytes per rank, for weights and live values; 0: none
  double latencySeconds = 0;
  double bytesPerSecond = 1e9;
  int64_t maxDownSets =
      40000;  // beyond this many, ops are merged first, and StageCut::lowerBound says what it may cost
};

// What one stage costs.
//   seconds          = computeSeconds + receiveSeconds.
//   receiveSeconds   = Σ latency + bytes / bandwidth over the values that it needs and an earlier stage produces: each is
//                      sent once, straight from its producer's stage, to every stage that needs it. A transfer is counted
//                      at its receiver alone, so that the stages' sum is one microbatch's way through the pipeline.
//   weightBytes      = Σ over the constants that one of its nodes uses.
//   activationBytes  = the most that lives at one of its nodes, in the order of the graph: a received value from the
//                      stage's begin, another from its producer, to its last user in the stage, or to the stage's end where a
//                      later stage needs it or it is an output.
struct StageCost {
  double computeSeconds = 0, receiveSeconds = 0;
  int64_t weightBytes = 0, activationBytes = 0;
  int numNodes = 0;
  double seconds() const { return computeSeconds + receiveSeconds; }
  int64_t memoryBytes() const { return weightBytes + activationBytes; }
};

struct StageCut {
  std::vector<int> stageOf;  // by node; not less than that of any producer of its operands
  std::vector<StageCost> stages;
  double seconds = 0;     // Σ seconds + (M - 1) · max seconds
  double lowerBound = 0;  // no cut takes less; equal to `seconds` where the search was exact
  bool exact = false;
};

// The cut of least `seconds` that keeps pins and the memory limit, without empty stages if there are nodes enough. Among equal
// ones always the same. A user error names two pins that contradict each other, or the smallest limit that can be met.
//
//   a(3) ─▶ b(2) ─▶ d(3)    two stages, nothing to send, M = 4: {a c} {b d}: 9 + 3 · 5 = 24, and not {a b} {c d} although the
//     └───▶ c(1) ───▶┘      ops stand in that order: it is the set of ops that is cut, not the list
StatusOr<StageCut> cutStages(const StageGraph& graph, const StageCutOptions& options);

// The costs of a given cut.
StageCut costOfStages(const StageGraph& graph, const StageCutOptions& options, std::vector<int> stageOf);

}  // namespace shardwright
