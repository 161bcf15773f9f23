#include "compiler/emit/step_collectives.h"

#include "compiler/dist/dist_dialect.h"

namespace shardwright {

std::optional<StepCollective> collectiveOf(mlir::Operation* op) {
  StepCollective result;
  auto is = [&](plan::CollectiveStep::Kind kind, auto collective) {
    result.kind = kind;
    llvm::ArrayRef<SubAxis> axes = collective.getAxes().axes();
    result.group.assign(axes.begin(), axes.end());
  };
  auto combines = [&](auto collective) { result.combiner = dist::stringifyCombiner(collective.getCombiner()).str(); };
  if (auto c = mlir::dyn_cast<dist::AllReduceOp>(op)) {
    is(plan::CollectiveStep::ALL_REDUCE, c);
    combines(c);
  } else if (auto c = mlir::dyn_cast<dist::AllGatherOp>(op)) {
    is(plan::CollectiveStep::ALL_GATHER, c);
    result.dim = c.getDim();
    result.part = c.getPart();
  } else if (auto c = mlir::dyn_cast<dist::ReduceScatterOp>(op)) {
    is(plan::CollectiveStep::REDUCE_SCATTER, c);
    combines(c);
    result.dim = c.getDim();
    result.part = c.getPart();
  } else if (auto c = mlir::dyn_cast<dist::AllToAllOp>(op)) {
    is(plan::CollectiveStep::ALL_TO_ALL, c);
    result.dim = c.getDim();
    result.splitDim = c.getSplitDim();
    result.part = c.getPart();
    result.splitPart = c.getSplitPart();
  } else if (auto c = mlir::dyn_cast<dist::BroadcastOp>(op)) {
    is(plan::CollectiveStep::BROADCAST, c);
  } else if (auto c = mlir::dyn_cast<dist::PermuteOp>(op)) {
    is(plan::CollectiveStep::PERMUTE, c);
    result.peer = c.getPeer().exprs()[0];
  } else {
    return std::nullopt;
  }
  return result;
}

}  // namespace shardwright
