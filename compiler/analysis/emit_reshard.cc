#include "compiler/analysis/emit_reshard.h"

#include "compiler/dist/dist_dialect.h"

namespace shardwright {
namespace {

// The local tensor with the dims that a step works on cut where its factors begin:
//   gather heads of [(batch·heads·64)] held as batch{dp}·heads{tp}·64:   (batch_l, heads_l·64)  ->  (batch_l, heads·64)
struct Expanded {
  Exprs before, after;
  int gatherDim = -1, splitDim = -1;
  // Of the factors behind the split one in its segment: elements per index.
  Expr splitInner = 1;
};

class StepEmitter {
 public:
  StepEmitter(mlir::OpBuilder& builder, mlir::Location loc, llvm::ArrayRef<Expr> dims, const Mesh& mesh,
              const Facts& facts)
      : builder_(builder), loc_(loc), dims_(dims), mesh_(mesh), facts_(facts) {}

  mlir::Value emit(mlir::Value local, const ReshardStep& step) {
    Expanded shape = expand(step);
    mlir::Type element = mlir::cast<mlir::RankedTensorType>(local.getType()).getElementType();
    mlir::Value input = viewed(local, tensorType(shape.before, element));
    mlir::Value output = apply(input, tensorType(shape.after, element), step, shape);
    return viewed(output, tensorType(localDims(canonical(step.after, dims_, facts_), dims_, mesh_), element));
  }

 private:
  mlir::Value viewed(mlir::Value value, mlir::Type type) {
    return value.getType() == type ? value : builder_.create<dist::ViewOp>(loc_, type, value);
  }

  Expanded expand(const ReshardStep& step) const {
    Expanded result;
    Exprs plainBefore = localDims(canonical(step.before, dims_, facts_), dims_, mesh_);
    Exprs plainAfter = localDims(canonical(step.after, dims_, facts_), dims_, mesh_);
    for (int d = 0; d < static_cast<int>(dims_.size()); ++d) {
      if (d != step.gather.dim && d != step.split.dim) {
        result.before.push_back(plainBefore[d]);
        result.after.push_back(plainAfter[d]);
        continue;
      }
      size_t first = result.before.size();
      expandDim(step, d, result);
      if (result.before.size() > first + 1) continue;
      result.before.back() = plainBefore[d];
      result.after.back() = plainAfter[d];
    }
    return result;
  }

  void expandDim(const ReshardStep& step, int d, Expanded& result) const {
    Exprs before = localFactors(step.before.dims[d], dims_[d], mesh_);
    Exprs after = localFactors(step.after.dims[d], dims_[d], mesh_);
    Expr segmentBefore = 1, segmentAfter = 1;
    auto close = [&] {
      result.before.push_back(segmentBefore);
      result.after.push_back(segmentAfter);
      segmentBefore = segmentAfter = 1;
    };
    int open = -1;  // the place that the current segment begins with
    for (int f = 0; f < static_cast<int>(before.size()); ++f) {
      bool gathers = step.gather.dim == d && step.gather.factor == f;
      bool splits = step.split.dim == d && step.split.factor == f;
      if (gathers || splits) {
        if (open >= 0 || segmentBefore != Expr(1)) close();
        open = f;
        (gathers ? result.gatherDim : result.splitDim) = static_cast<int>(result.before.size());
      } else if (open >= 0 && step.split.dim == d && step.split.factor == open) {
        result.splitInner *= before[f];
      }
      segmentBefore *= before[f];
      segmentAfter *= after[f];
    }
    close();
  }

  mlir::Value apply(mlir::Value input, mlir::Type type, const ReshardStep& step, const Expanded& shape) {
    AxesAttr axes = AxesAttr::get(builder_.getContext(), step.axes, MeshAttr::get(builder_.getContext(), mesh_));
    switch (step.kind) {
      case ReshardKind::kSlice: {
        const DimSplit& before = step.before.dims[step.split.dim].factors[step.split.factor];
        const DimSplit& after = step.after.dims[step.split.dim].factors[step.split.factor];
        Expr begin = (partOf(after, mesh_).begin - partOf(before, mesh_).begin) * shape.splitInner;
        return builder_.create<dist::SliceOp>(loc_, type, input, shape.splitDim, exprs(begin));
      }
      case ReshardKind::kMask:
        return builder_.create<dist::MaskOp>(loc_, type, input, combinerOf(step.combiner), axes);
      case ReshardKind::kAllReduce:
        return builder_.create<dist::AllReduceOp>(loc_, type, input, combinerOf(step.combiner), axes);
      case ReshardKind::kAllGather:
        return builder_.create<dist::AllGatherOp>(loc_, type, input, shape.gatherDim, axes);
      case ReshardKind::kReduceScatter:
        return builder_.create<dist::ReduceScatterOp>(loc_, type, input, combinerOf(step.combiner), shape.splitDim,
                                                      axes);
      case ReshardKind::kAllToAll:
        return builder_.create<dist::AllToAllOp>(loc_, type, input, shape.gatherDim, shape.splitDim, axes);
      case ReshardKind::kPermute:
        return builder_.create<dist::PermuteOp>(loc_, type, input, exprs(mesh_.coordinate(step.peer)), axes);
    }
    llvm_unreachable("a kind of step");
  }

  ExprsAttr exprs(Expr e) const { return ExprsAttr::get(builder_.getContext(), {e}); }

  mlir::OpBuilder& builder_;
  mlir::Location loc_;
  llvm::ArrayRef<Expr> dims_;
  const Mesh& mesh_;
  const Facts& facts_;
};

}  // namespace

mlir::Value emitReshard(mlir::OpBuilder& builder, mlir::Location loc, mlir::Value local, const Sharding& from,
                        const Sharding& to, llvm::ArrayRef<Expr> globalDims, ReshardPlanner& planner) {
  StepEmitter emitter(builder, loc, globalDims, planner.mesh(), planner.facts());
  ReshardPlan plan = planner.plan(globalDims, dtypeOf(local.getType()), from, to);
  for (const ReshardStep& step : plan.steps) local = emitter.emit(local, step);
  return local;
}

}  // namespace shardwright
