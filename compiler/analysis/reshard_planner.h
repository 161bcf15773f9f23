// Owns the cheapest way from one sharding of a tensor to another: which steps, and what they cost. It does not own the ops
// that the steps become (emit_reshard.h) nor the formulas of cost (target/cost_model.h).
//
//   [_] partial=sum{tp} -> [768{tp}]       reduce-scatter
//   [8{tp}, _] -> [_, 768{tp}]             all-to-all
//   [8{dp,tp}, _] -> [8{tp}, _]            permute to [8{tp,dp}, _], all-gather over dp; or all-gather, slice
//   [7{tp}/7] -> [7{tp}/1]                 parts that lie elsewhere: all-gather, slice
#pragma once

#include <memory>
#include <vector>

#include "compiler/dist/sharding.h"
#include "compiler/target/machine.h"

namespace shardwright {

enum class ReshardKind { kSlice, kMask, kAllReduce, kAllGather, kReduceScatter, kAllToAll, kPermute };

// One factor of one dim of ReshardStep::before and after.
struct Place {
  int dim = -1, factor = -1;
};

struct ReshardStep {
  ReshardKind kind = ReshardKind::kSlice;
  // The group in member order. Of a slice: the axes that split. Of a mask: those that become partial.
  AxisList axes;
  PartialKind combiner = PartialKind::kNone;
  // The shardings around the step, each dim cut into the same factors on both sides; not canonical.
  Sharding before, after;
  Place gather;        // loses `axes` here, from the end: all-gather, all-to-all
  Place split;         // gets `axes` here, at the end: slice, reduce-scatter, all-to-all
  AxisList peer;       // permute: the position on this list is the member's that is read
  double seconds = 0;  // at the assumed sizes
};

struct ReshardPlan {
  std::vector<ReshardStep> steps;
  double seconds = 0;
};

// "all-to-all{tp}", "slice{tp} all-gather{dp}": for messages and tests.
std::string str(const ReshardPlan& plan, const Mesh& mesh);

// Costs are remembered. Used by one thread at a time.
class ReshardPlanner {
 public:
  // `sizes` binds every symbol of the tensors' dims.
  ReshardPlanner(Mesh mesh, Facts facts, Bindings sizes, Machine machine);
  ~ReshardPlanner();

  // Both shardings are of a tensor with these global dims, canonical, and valid.
  ReshardPlan plan(llvm::ArrayRef<Expr> dims, DType dtype, const Sharding& from, const Sharding& to);
  // The plan's seconds.
  double seconds(llvm::ArrayRef<Expr> dims, DType dtype, const Sharding& from, const Sharding& to);

  const Mesh& mesh() const;
  const Facts& facts() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace shardwright
