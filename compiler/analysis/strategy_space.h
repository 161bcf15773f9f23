// Owns the strategies that are worth considering: for one mesh axis, which splits of which ops' factors can follow from one
// another without communication. It does not choose; see strategy_search.h.
//
// The space is a closure: every constant-size factor of every op is a seed; a split of an op's factor is projected onto
// its operands and results, and there asks every other op at that value which of its own factors that is. What cannot be
// said with an op's factors ends there. So an op's candidates are few (3 to 10 on transformers), and they include the
// strided splits and sub-axes that Reshapes ask for: on 4 ranks with 2 kv heads, "heads by tp" becomes "kv by tp:(1)2" of
// the K projection.
#pragma once

#include <vector>

#include "compiler/analysis/constant_values.h"
#include "compiler/ops/row.h"
#include "llvm/ADT/DenseMap.h"
#include "mlir/IR/Block.h"

namespace shardwright {

// One strategy of one op over the axis, with what it implies. Candidate 0 is "not split".
struct OpCandidate {
  Strategy strategy;
  std::vector<Sharding> in, out;  // by operand and result; empty dims for absent ones
};

// An op of the block. Ops without a rule, and those that only say sizes, have candidate 0 alone.
struct OpChoices {
  mlir::Operation* op = nullptr;
  bool hasRule = false;
  Rule rule;
  std::vector<OpCandidate> candidates;
};

class StrategySpace {
 public:
  // `axis` is a whole axis of the mesh. kInternal if a row's rule does not fit its op.
  static StatusOr<StrategySpace> build(mlir::Block& block, const Facts& facts, const Mesh& mesh, int axis);

  const std::vector<OpChoices>& ops() const { return ops_; }
  const OpChoices* find(mlir::Operation* op) const;
  // The splits that ops at this value can say, "whole" first: for weights and arguments the states that they can be stored in.
  const std::vector<Sharding>& statesOf(mlir::Value value) const;

 private:
  StrategySpace(const Facts& facts, const Mesh& mesh, int axis) : facts_(&facts), mesh_(&mesh), axis_(axis) {}
  Status addOps(mlir::Block& block);
  void seed();
  void close();
  void addStrategy(int op, Strategy strategy);
  void addState(mlir::Value value, const Sharding& sharding);
  void addPartialVariants();
  OpCandidate project(const OpChoices& op, Strategy strategy) const;

  const Facts* facts_;
  const Mesh* mesh_;
  int axis_;
  std::vector<OpChoices> ops_;
  llvm::DenseMap<mlir::Operation*, int> index_;
  llvm::DenseMap<mlir::Value, std::vector<Sharding>> states_;
  std::vector<std::pair<mlir::Value, Sharding>> work_;
};

// The shape of a value; kUndefined for none.
TensorShape shapeOf(mlir::Value value);

}  // namespace shardwright
