#include "compiler/codegen/nest_shape.h"

#include <algorithm>

#include "compiler/codegen/scalar_op.h"

namespace shardwright {
namespace {

// Instructions of one vector, roughly; decides only how far loops are unrolled.
int costOf(const ScalarNode& node) {
  switch (node.op) {
    case ScalarOp::kConst:
    case ScalarOp::kReduced:
    case ScalarOp::kParam:
      return 0;
    case ScalarOp::kExp:
    case ScalarOp::kLog:
    case ScalarOp::kSigmoid:
    case ScalarOp::kTanh:
      return 20;
    case ScalarOp::kErf:
      return 35;
    case ScalarOp::kDiv:
    case ScalarOp::kReciprocal:
    case ScalarOp::kSqrt:
      return 8;
    case ScalarOp::kPow:
      return 100;
    default:
      return traitsOf(node.op).types == TypeRule::kFloat ? 50 : 1;
  }
}

class Shaper {
 public:
  Shaper(const LoopNest& nest, const TargetTraits& traits) : nest_(nest), traits_(traits) {}

  NestShape run() {
    chooseLanes();
    int reductions = 0;
    for (const Phase& phase : nest_.phases) {
      shape_.firstReduction.push_back(reductions);
      shape_.phases.push_back(planPhase(phase, reductions));
      reductions += static_cast<int>(phase.reductions.size());
    }
    shape_.mayBeLinear = mayBeLinear();
    return std::move(shape_);
  }

 private:
  // Lanes lie along the innermost dim, unless that makes more accesses strided than the last outer dim would: a sum over the
  // rows of a matrix runs along its columns.
  void chooseLanes() {
    int dims = nest_.numOuter + nest_.numInner;
    if (dims == 0) return;
    int inner = dims - 1, outer = nest_.numOuter - 1;
    shape_.lanesAreOuter =
        nest_.numInner == 0 || (nest_.numOuter > 0 && stridedAccesses(outer) < stridedAccesses(inner));
    shape_.laneDim = shape_.lanesAreOuter ? outer : inner;
    shape_.width = traits_.vectorBytes / laneBytes();
  }

  int stridedAccesses(int dim) const {
    int count = 0;
    auto strided = [&](int operand) { return nest_.operands[operand].strides[dim] == StrideKind::kRuntime; };
    for (const Phase& phase : nest_.phases) {
      for (const ScalarNode& node : phase.nodes) count += node.op == ScalarOp::kLoad && strided(node.index);
      for (const Store& store : phase.stores) count += strided(store.operand);
    }
    return count;
  }

  // The size of what most lanes hold: 4 where sizes are mixed, so that vectors of one width serve all.
  int laneBytes() const {
    int least = 8, most = 1;
    auto see = [&](DType type) {
      int bytes = std::max(1, bitWidth(heldType(type)) / 8);
      least = std::min(least, bytes);
      most = std::max(most, bytes);
    };
    for (const Operand& operand : nest_.operands) see(operand.dtype);
    for (const Phase& phase : nest_.phases) {
      for (const ScalarNode& node : phase.nodes) {
        if (node.dtype != DType::kBool) see(node.dtype);
      }
    }
    return most <= 4 ? most : std::max(4, least);
  }

  bool moves(int operand, int dim) const { return nest_.operands[operand].strides[dim] != StrideKind::kZero; }

  void placeLeaf(const ScalarNode& node, int reductionsBefore, NodePlace& place) const {
    if (node.op == ScalarOp::kLoad) {
      for (int d = 0; d < nest_.numInner; ++d) {
        if (moves(node.index, nest_.numOuter + d)) place.depth = d + 1;
      }
      place.vector = shape_.laneDim >= 0 && moves(node.index, shape_.laneDim);
    } else if (node.op == ScalarOp::kIndex) {
      place.depth = std::max(0, node.index - nest_.numOuter + 1);
      place.vector = node.index == shape_.laneDim;
    } else if (node.op == ScalarOp::kReduced) {
      place.vector = shape_.lanesAreOuter;
      place.ownReductions = node.index >= reductionsBefore;
      place.fromReduction = true;
    }
  }

  PhasePlan planPhase(const Phase& phase, int reductionsBefore) const {
    PhasePlan plan;
    plan.nodes.resize(phase.nodes.size());
    for (size_t n = 0; n < phase.nodes.size(); ++n) {
      NodePlace& place = plan.nodes[n];
      placeLeaf(phase.nodes[n], reductionsBefore, place);
      for (int input : phase.nodes[n].inputs) {
        place.depth = std::max(place.depth, plan.nodes[input].depth);
        place.vector |= plan.nodes[input].vector;
        place.ownReductions |= plan.nodes[input].ownReductions;
        place.fromReduction |= plan.nodes[input].fromReduction;
      }
    }
    for (const Reduction& reduction : phase.reductions) {
      plan.nodes[reduction.value].inLoops = true;
      ++plan.nodes[reduction.value].uses;
    }
    for (const Store& store : phase.stores) {
      bool once = nest_.numInner > 0 && !moves(store.operand, nest_.numOuter);
      plan.storeOnce.push_back(once);
      NodePlace& place = plan.nodes[store.value];
      (once ? place.afterLoops : place.inLoops) = true;
      ++place.uses;
      plan.hasLoops |= !once;
      plan.maskable &= (once && !shape_.lanesAreOuter) || !stridedAlongLanes(store.operand);
    }
    plan.hasLoops |= !phase.reductions.empty();
    int cost = 0;
    for (size_t n = phase.nodes.size(); n-- > 0;) {
      const NodePlace& place = plan.nodes[n];
      for (int input : phase.nodes[n].inputs) {
        plan.nodes[input].inLoops |= place.inLoops;
        plan.nodes[input].afterLoops |= place.afterLoops;
        plan.nodes[input].uses += place.inLoops || place.afterLoops;
      }
      bool used = place.inLoops || place.afterLoops;
      if (used && phase.nodes[n].op == ScalarOp::kLoad) plan.maskable &= !stridedAlongLanes(phase.nodes[n].index);
      if (place.inLoops && place.depth == nest_.numInner) cost += costOf(phase.nodes[n]);
    }
    plan.unroll = cost <= 10 ? 4 : cost <= 25 ? 2 : 1;
    if (phase.reductions.empty()) plan.unroll = std::min(plan.unroll, 2);
    return plan;
  }

  bool stridedAlongLanes(int operand) const {
    return shape_.laneDim >= 0 && nest_.operands[operand].strides[shape_.laneDim] == StrideKind::kRuntime;
  }

  // One phase without reductions that asks for no index, every operand either still or moving along every dim with its last
  // dim contiguous.
  bool mayBeLinear() const {
    int dims = nest_.numOuter + nest_.numInner;
    if (nest_.phases.size() != 1 || nest_.numOuter == 0 || dims < 2 || !nest_.phases[0].reductions.empty())
      return false;
    for (const ScalarNode& node : nest_.phases[0].nodes) {
      if (node.op == ScalarOp::kIndex) return false;
    }
    for (const Operand& operand : nest_.operands) {
      auto zeros = std::count(operand.strides.begin(), operand.strides.end(), StrideKind::kZero);
      if (zeros != 0 && zeros != dims) return false;
      if (zeros == 0 && operand.strides[dims - 1] != StrideKind::kUnit) return false;
      if (operand.written && zeros != 0) return false;
    }
    return true;
  }

  const LoopNest& nest_;
  const TargetTraits& traits_;
  NestShape shape_;
};

}  // namespace

NestShape shapeOf(const LoopNest& nest, const TargetTraits& traits) { return Shaper(nest, traits).run(); }

}  // namespace shardwright
