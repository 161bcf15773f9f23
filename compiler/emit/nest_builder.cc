#include "compiler/emit/nest_builder.h"

#include <algorithm>
#include <map>

#include "compiler/ops/row.h"
#include "llvm/ADT/DenseMap.h"
#include "mlir/IR/BuiltinAttributes.h"

namespace shardwright {
namespace {

// An inner dim shorter than this is joined with the dims around it, where they are contiguous, so that it fills vectors.
constexpr int64_t kShortInner = 256;

// One loop dim while collapsing: its extent and every operand's stride along it.
struct LoopDim {
  Expr extent;
  Exprs strides;
};

bool isOne(Expr e) { return e == Expr(1); }

// Outer and inner dim become one where every operand walks through both in one stride.
bool canCollapse(const LoopDim& outer, const LoopDim& inner) {
  for (size_t i = 0; i < outer.strides.size(); ++i)
    if (outer.strides[i] != inner.strides[i] * inner.extent) return false;
  return true;
}

void dropUnitDims(std::vector<LoopDim>& dims) {
  dims.erase(std::remove_if(dims.begin(), dims.end(), [](const LoopDim& d) { return isOne(d.extent); }), dims.end());
}

void collapse(std::vector<LoopDim>& dims) {
  for (size_t i = dims.size(); i-- > 1;) {
    if (!canCollapse(dims[i - 1], dims[i])) continue;
    dims[i - 1].extent *= dims[i].extent;
    dims[i - 1].strides = dims[i].strides;
    dims.erase(dims.begin() + i);
  }
}

// Takes the last dim of `outer` as the inner one, joined with its neighbours while it is short.
std::vector<LoopDim> takeInner(std::vector<LoopDim>& outer) {
  if (outer.empty()) return {};
  LoopDim inner = outer.back();
  outer.pop_back();
  while (!outer.empty() && inner.extent.isConstant() && *inner.extent.constant() < kShortInner &&
         canCollapse(outer.back(), inner)) {
    inner.extent *= outer.back().extent;
    outer.pop_back();
  }
  return {inner};
}

class NestBuilder {
 public:
  NestBuilder(step::FusedOp fused, const Facts& facts) : fused_(fused), facts_(facts) {}

  StatusOr<BuiltNest> build() {
    llvm::ArrayRef<Expr> space = exprsOf(fused_->getAttr("space"));
    space_.assign(space.begin(), space.end());
    auto inner = fused_->getAttrOfType<mlir::DenseI64ArrayAttr>("inner").asArrayRef();
    isInner_.assign(space_.size(), false);
    for (int64_t d : inner) isInner_[d] = true;
    collectWindows();
    orderDims(!inner.empty());
    SW_RETURN_IF_ERROR(buildPhases());
    for (size_t i = 0; i < built_.windows.size(); ++i) {
      Operand operand;
      operand.dtype = dtypeOf(built_.windows[i].value.getType());
      operand.written = static_cast<int>(i) >= built_.numInputs;
      for (Expr stride : built_.windows[i].strides)
        operand.strides.push_back(stride == Expr(0) ? StrideKind::kZero
                                  : isOne(stride)   ? StrideKind::kUnit
                                                    : StrideKind::kRuntime);
      built_.nest.operands.push_back(std::move(operand));
    }
    built_.nest.numOuter = built_.outer.size();
    built_.nest.numInner = built_.inner.size();
    built_.nest.numParams = built_.params.size();
    built_.nest.name = "unnamed";
    SW_RETURN_IF_ERROR(built_.nest.verify());
    return std::move(built_);
  }

 private:
  mlir::Block& body() { return fused_.getBody().front(); }

  // Strides of a value along the dims of the space: broadcast as ONNX does, or, where reductions dropped their dims, along
  // the outer dims.
  Exprs alongSpace(const SymbolicView& view, bool droppedInner) const {
    Exprs strides(space_.size(), Expr(0));
    if (droppedInner) {
      size_t next = 0;
      for (size_t d = 0; d < space_.size(); ++d)
        if (!isInner_[d]) strides[d] = view.strides[next++];
      return strides;
    }
    size_t shift = space_.size() - view.dims.size();
    for (size_t d = 0; d < view.dims.size(); ++d)
      if (!isOne(view.dims[d]) || isOne(space_[d + shift])) strides[d + shift] = view.strides[d];
    return strides;
  }

  void collectWindows() {
    for (mlir::Value input : fused_.getInputs()) {
      SymbolicView view = viewOf(input);
      built_.windows.push_back({input, view.offset, alongSpace(view, false)});
    }
    built_.numInputs = built_.windows.size();
    for (mlir::Value output : fused_.getOutputs()) {
      SymbolicView view = viewOf(output);
      built_.windows.push_back({output, view.offset, alongSpace(view, view.dims.size() < space_.size())});
    }
  }

  void orderDims(bool hasReductions) {
    std::vector<LoopDim> outer, inner;
    for (size_t d = 0; d < space_.size(); ++d) {
      LoopDim dim{space_[d], {}};
      for (const auto& window : built_.windows) dim.strides.push_back(window.strides[d]);
      (isInner_[d] ? inner : outer).push_back(std::move(dim));
    }
    dropUnitDims(outer);
    dropUnitDims(inner);
    if (hasReductions)
      collapse(inner);
    else
      inner = takeInner(outer);
    collapse(outer);
    for (auto& window : built_.windows) window.strides.clear();
    auto append = [&](const std::vector<LoopDim>& dims, Exprs& extents) {
      for (const LoopDim& dim : dims) {
        extents.push_back(dim.extent);
        for (size_t i = 0; i < built_.windows.size(); ++i) built_.windows[i].strides.push_back(dim.strides[i]);
      }
    };
    append(outer, built_.outer);
    append(inner, built_.inner);
  }

  // The first phase in which a value can be computed.
  int phaseOf(mlir::Value value) {
    mlir::Operation* op = value.getDefiningOp();
    if (!op) return 0;
    auto [it, isNew] = phase_.try_emplace(op, 0);
    if (!isNew) return it->second;
    int phase = 0;
    for (mlir::Value operand : op->getOperands()) phase = std::max(phase, phaseOf(operand));
    if (reduceBodyOf(op)) ++phase;
    return phase_[op] = phase;
  }

  static const ReduceBody* reduceBodyOf(mlir::Operation* op) {
    const Row* row = rowOf(op);
    return row ? std::get_if<ReduceBody>(&row->lowering) : nullptr;
  }

  Status buildPhases() {
    mlir::Operation* yield = body().getTerminator();
    int numPhases = 1;
    for (mlir::Value value : yield->getOperands()) numPhases = std::max(numPhases, phaseOf(value) + 1);
    built_.nest.phases.resize(numPhases);
    nodes_.resize(numPhases);
    // Reductions are numbered over the nest in phase order; a later phase reads them by that number.
    int number = 0;
    for (int phase = 0; phase < numPhases; ++phase) {
      for (mlir::Operation& op : body().without_terminator()) {
        const ReduceBody* reduce = reduceBodyOf(&op);
        if (!reduce || phaseOf(op.getResult(0)) != phase + 1) continue;
        SW_ASSIGN_OR_RETURN(int value, nodeOf(op.getOperand(0), phase));
        if (reduce->map) {
          BodyBuilder builder(built_.nest.phases[phase].nodes);
          value = reduce->map(builder, value);
        }
        built_.nest.phases[phase].reductions.push_back({reduce->kind, value});
        reduction_[&op] = number++;
      }
      for (auto [i, value] : llvm::enumerate(yield->getOperands())) {
        if (phaseOf(value) != phase) continue;
        SW_ASSIGN_OR_RETURN(int node, nodeOf(value, phase));
        built_.nest.phases[phase].stores.push_back({built_.numInputs + static_cast<int>(i), node});
      }
    }
    return Status();
  }

  StatusOr<int> nodeOf(mlir::Value value, int phase) {
    auto it = nodes_[phase].find(value);
    if (it != nodes_[phase].end()) return it->second;
    SW_ASSIGN_OR_RETURN(int node, makeNode(value, phase));
    nodes_[phase][value] = node;
    return node;
  }

  StatusOr<int> makeNode(mlir::Value value, int phase) {
    BodyBuilder builder(built_.nest.phases[phase].nodes);
    DType dtype = dtypeOf(value.getType());
    if (auto argument = mlir::dyn_cast<mlir::BlockArgument>(value))
      return builder.node(ScalarOp::kLoad, dtype, {}, argument.getArgNumber());
    mlir::Operation* op = value.getDefiningOp();
    if (auto constant = op->getAttrOfType<mlir::DenseElementsAttr>("value"))
      return immediate(built_.nest.phases[phase].nodes, constant, dtype);
    const Row* row = rowOf(op);
    if (const auto* reduce = row ? std::get_if<ReduceBody>(&row->lowering) : nullptr) {
      int reduced = builder.node(ScalarOp::kReduced, dtype, {}, reduction_.lookup(op));
      if (!reduce->finish) return reduced;
      return reduce->finish(builder, reduced, countOf(builder, op, *reduce, dtype));
    }
    const auto* scalar = row ? std::get_if<ScalarBody>(&row->lowering) : nullptr;
    if (!scalar) return internalError("step.fused holds " + op->getName().getStringRef().str());
    std::vector<int> inputs;
    for (mlir::Value operand : op->getOperands()) {
      if (mlir::isa<mlir::NoneType>(operand.getType())) {
        inputs.push_back(-1);
        continue;
      }
      SW_ASSIGN_OR_RETURN(int node, nodeOf(operand, phase));
      inputs.push_back(node);
    }
    std::vector<int> results = scalar->build(builder, OpView(op, facts_), inputs);
    return results[mlir::cast<mlir::OpResult>(value).getResultNumber()];
  }

  static StatusOr<int> immediate(std::vector<ScalarNode>& nodes, mlir::DenseElementsAttr constant, DType dtype) {
    BodyBuilder builder(nodes);
    mlir::Attribute element = *constant.getValues<mlir::Attribute>().begin();
    if (auto number = mlir::dyn_cast<mlir::FloatAttr>(element))
      return builder.constant(number.getValueAsDouble(), dtype);
    auto integer = mlir::dyn_cast<mlir::IntegerAttr>(element);
    if (!integer) return internalError("a constant in step.fused is no number");
    bool isSigned = !integer.getType().isUnsignedInteger() && dtype != DType::kBool;
    int node = builder.node(ScalarOp::kConst, dtype, {});
    int64_t bits =
        isSigned ? integer.getValue().getSExtValue() : static_cast<int64_t>(integer.getValue().getZExtValue());
    nodes[node].integer = bits;
    return node;
  }

  // The number of elements that a reduction combines over all ranks, in its own type.
  int countOf(BodyBuilder& builder, mlir::Operation* op, const ReduceBody& reduce, DType dtype) {
    Expr count = 1;
    if (mlir::Attribute global = op->getAttr("dist.count")) {
      count = exprsOf(global)[0];
    } else {
      Exprs dims = dimsOf(op->getOperand(0).getType());
      for (int axis : reduce.axes(OpView(op, facts_))) count *= dims[axis];
    }
    if (count.isConstant()) return builder.constant(static_cast<double>(*count.constant()), dtype);
    auto it = std::find(built_.params.begin(), built_.params.end(), count);
    int index = it - built_.params.begin();
    if (it == built_.params.end()) built_.params.push_back(count);
    return builder.cast(builder.node(ScalarOp::kParam, DType::kInt64, {}, index), dtype);
  }

  step::FusedOp fused_;
  const Facts& facts_;
  BuiltNest built_;
  Exprs space_;
  std::vector<bool> isInner_;
  llvm::DenseMap<mlir::Operation*, int> phase_, reduction_;
  std::vector<llvm::DenseMap<mlir::Value, int>> nodes_;  // by phase
};

}  // namespace

StatusOr<BuiltNest> buildNest(step::FusedOp fused, const Facts& facts) { return NestBuilder(fused, facts).build(); }

}  // namespace shardwright
