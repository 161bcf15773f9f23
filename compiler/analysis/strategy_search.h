// Owns the choice of strategies over one mesh axis: the assignment of candidates to ops that minimises time, under limits
// on what each rank holds of the weights. The costs of resharding are the planner's.
#pragma once

#include <functional>

#include "compiler/analysis/strategy_space.h"
#include "compiler/target/machine.h"

namespace shardwright {

// Seconds to turn a value with these global dims from one sharding into another.
using ReshardSeconds =
    std::function<double(llvm::ArrayRef<Expr> dims, DType dtype, const Sharding& from, const Sharding& to)>;

struct SearchOptions {
  Mesh mesh;
  int axis = 0;
  Bindings sizes;  // the assumed ones
  const Machine* machine = nullptr;
  ReshardSeconds reshardSeconds;
  // Each rank holds at most this times an even share of the weights' bytes (up to 1.3 where that saves a fifth of the time), and
  // no matrix of more than a quarter of the median one is held whole by all. Infinity: no limit, nor that rule. Both are about
  // weights of at least `minWeightRank` dims.
  double maxWeightShare = 1.1;
  size_t minWeightRank = 0;
  // Arguments and results (by number) that must be held alike: what a run leaves in the one, the next finds in the other.
  std::vector<std::pair<unsigned, unsigned>> ties;
  Pins pins;                // restricted to the axis
  StrategyPins strategies;  // over the axis
  Wants wants;              // restricted to the axis
};

struct SearchResult {
  AxisStrategies strategies;
  double seconds = 0;      // of what differs between strategies
  double gap = 0;          // what an optimum could at most be cheaper; 0: exact
  double weightShare = 0;  // of an even share of the weights that can be split, the largest rank's
};

SearchResult searchStrategies(mlir::Block& block, const StrategySpace& space, const Facts& facts,
                              const SearchOptions& options);

}  // namespace shardwright
