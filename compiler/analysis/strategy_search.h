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
  double maxWeightShare = 1.1;  // of an even share of the weights' bytes
  // States that the user fixed; others follow.
  llvm::DenseMap<mlir::Value, Sharding> pins;
};

struct ChosenStrategies {
  // The chosen candidate of each op of the space, and the state of each weight and argument.
  llvm::DenseMap<mlir::Operation*, int> candidates;
  llvm::DenseMap<mlir::Value, Sharding> states;
  double seconds = 0;      // of what differs between strategies
  double gap = 0;          // 0: exact
  double weightShare = 0;  // of an even share, the largest rank's
};

StatusOr<ChosenStrategies> searchStrategies(mlir::Block& block, const StrategySpace& space, const Facts& facts,
                                            const SearchOptions& options);

}  // namespace shardwright
