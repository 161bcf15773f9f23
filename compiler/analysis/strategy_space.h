// Owns the strategies that are worth considering: for one mesh axis, which splits of which ops' factors can follow from one
// another without communication. It does not choose; see strategy_search.h.
//
// The space is a closure: every constant-size factor of every op is a seed; a split of an op's factor is projected onto
// its operands and results, and there asks every other op at that value which of its own factors that is. What cannot be
// said with an op's factors ends there. So an op's candidates are few (3 to 10 on transformers), and they include the
// strided splits and sub-axes that Reshapes ask for: on 4 ranks with 2 kv heads, "heads by tp" becomes "kv by tp:(1)2" of
// the K projection.
#pragma once

#include <deque>
#include <set>
#include <vector>

#include "compiler/analysis/pin.h"

namespace shardwright {

// One strategy of one op over the axis, with what it implies. Candidate 0 is "not split".
struct OpCandidate {
  OpStrategy strategy;
  OpShardings shardings;
};

// An op of the block. Ops without a rule have candidate 0 alone.
struct OpChoices {
  mlir::Operation* op = nullptr;
  const Rule* rule = nullptr;
  std::vector<OpCandidate> candidates;
};

struct SpaceOptions {
  int axis = 0;
  // What may be split to begin with: dims of constant size; those with symbols too; or only the first dim of weights of three
  // dims and more, which is where models stack their experts.
  enum class Seeds { kConstantSizes, kAllSizes, kExperts };
  Seeds seeds = Seeds::kConstantSizes;
  Pins pins;  // restricted to the axis
  StrategyPins strategies;
};

class StrategySpace {
 public:
  // `rules` are of the block, and outlive the space; the axis is a whole one of the mesh.
  StrategySpace(mlir::Block& block, const BlockRules& rules, const Facts& facts, const Mesh& mesh,
                const SpaceOptions& options);

  const std::vector<OpChoices>& ops() const { return ops_; }
  const OpChoices* find(mlir::Operation* op) const;
  // The splits that ops at this value can say, "whole" first: for weights and arguments the states that they can be stored in.
  const std::vector<Sharding>& statesOf(mlir::Value value) const;

 private:
  void addOps(mlir::Block& block);
  void seed();
  void seedPins();
  bool isSeed(const OpChoices& choices, int factor) const;
  void close();
  void addStrategy(OpChoices& op, Strategy strategy);
  void addState(mlir::Value value, const Sharding& sharding);
  void addPartialVariants();

  const BlockRules& rules_;
  const Facts& facts_;
  const SpaceOptions& options_;
  SubAxis axis_;
  std::vector<OpChoices> ops_;
  llvm::DenseMap<mlir::Operation*, size_t> index_;
  llvm::DenseMap<mlir::Value, std::vector<Sharding>> states_;
  std::deque<std::pair<mlir::Value, Sharding>> work_;
};

}  // namespace shardwright
