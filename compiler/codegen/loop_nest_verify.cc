#include <string>

#include "compiler/codegen/loop_nest.h"
#include "compiler/codegen/scalar_op.h"

namespace shardwright {
namespace {

bool isNumber(DType type) { return isFloat(type) || isInteger(type); }

bool isIdentifier(const std::string& name) {
  if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
  for (char c : name) {
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    if (!letter) return false;
  }
  return true;
}

class Verifier {
 public:
  explicit Verifier(const LoopNest& nest) : nest_(nest) {}

  Status run() {
    if (!isIdentifier(nest_.name)) return wrong("the name must be a C identifier");
    if (nest_.numOuter < 0 || nest_.numInner < 0 || nest_.numParams < 0) return wrong("a count is negative");
    for (size_t i = 0; i < nest_.operands.size(); ++i) SW_RETURN_IF_ERROR(checkOperand(i));
    if (nest_.phases.empty()) return wrong("there is no phase");
    for (size_t p = 0; p < nest_.phases.size(); ++p) SW_RETURN_IF_ERROR(checkPhase(p));
    return Status();
  }

 private:
  Status wrong(const std::string& what) const { return internalError("loop nest \"" + nest_.name + "\": " + what); }

  Status checkOperand(size_t i) const {
    const Operand& operand = nest_.operands[i];
    std::string here = "operand " + std::to_string(i);
    if (!isLoopType(operand.dtype)) {
      return wrong(here + " is " + std::string(dtypeName(operand.dtype)) +
                   "; loops take bool, integers of 8 to 64 bits, and floats of 16 to 64 bits");
    }
    if (static_cast<int>(operand.strides.size()) != nest_.numOuter + nest_.numInner) {
      return wrong(here + " has " + std::to_string(operand.strides.size()) + " strides; the nest has " +
                   std::to_string(nest_.numOuter + nest_.numInner) + " dims");
    }
    int innerZeros = 0;
    for (int d = 0; d < nest_.numInner; ++d) innerZeros += operand.strides[nest_.numOuter + d] == StrideKind::kZero;
    if (operand.written && innerZeros != 0 && innerZeros != nest_.numInner) {
      return wrong(here + " is written and stands still along some inner dims but not all");
    }
    return Status();
  }

  Status checkPhase(size_t p) {
    const Phase& phase = nest_.phases[p];
    std::string here = "phase " + std::to_string(p);
    dependences_.clear();
    for (size_t n = 0; n < phase.nodes.size(); ++n) {
      std::string at =
          here + ", node " + std::to_string(n) + " (" + std::string(traitsOf(phase.nodes[n].op).name) + ")";
      SW_RETURN_IF_ERROR(checkNode(phase, n, reductionsBefore_ + phase.reductions.size(), at));
      dependences_.push_back(dependenceOf(phase.nodes[n]));
    }
    for (size_t r = 0; r < phase.reductions.size(); ++r) {
      SW_RETURN_IF_ERROR(checkReduction(phase, phase.reductions[r], here + ", reduction " + std::to_string(r)));
      reduced_.push_back(phase.nodes[phase.reductions[r].value].dtype);
    }
    for (const Store& store : phase.stores) SW_RETURN_IF_ERROR(checkStore(phase, store, here));
    reductionsBefore_ = reduced_.size();
    return Status();
  }

  // What a value varies with: the inner dims (through loads and indices), the results of its own phase's reductions.
  struct Dependence {
    bool onInner = false, onOwnReductions = false;
  };

  Dependence dependenceOf(const ScalarNode& node) const {
    Dependence result;
    if (node.op == ScalarOp::kLoad) {
      const std::vector<StrideKind>& strides = nest_.operands[node.index].strides;
      for (int d = 0; d < nest_.numInner; ++d) result.onInner |= strides[nest_.numOuter + d] != StrideKind::kZero;
    }
    if (node.op == ScalarOp::kIndex) result.onInner = node.index >= nest_.numOuter;
    if (node.op == ScalarOp::kReduced) result.onOwnReductions = node.index >= static_cast<int>(reductionsBefore_);
    for (int input : node.inputs) {
      result.onInner |= dependences_[input].onInner;
      result.onOwnReductions |= dependences_[input].onOwnReductions;
    }
    return result;
  }

  Status checkLeaf(const Phase& phase, const ScalarNode& node, size_t reductions, const std::string& at) const {
    auto inRange = [&](size_t count) { return node.index >= 0 && static_cast<size_t>(node.index) < count; };
    switch (node.op) {
      case ScalarOp::kLoad:
        if (!inRange(nest_.operands.size())) return wrong(at + ": there is no operand " + std::to_string(node.index));
        if (heldType(nest_.operands[node.index].dtype) != heldType(node.dtype)) {
          return wrong(at + ": operand " + std::to_string(node.index) + " is " +
                       std::string(dtypeName(nest_.operands[node.index].dtype)) + ", the node " +
                       std::string(dtypeName(node.dtype)));
        }
        return Status();
      case ScalarOp::kReduced: {
        if (!inRange(reductions)) {
          return wrong(at + ": reduction " + std::to_string(node.index) + " does not come before this phase");
        }
        size_t number = static_cast<size_t>(node.index);
        DType type;
        if (number < reduced_.size()) {
          type = reduced_[number];
        } else {
          int value = phase.reductions[number - reduced_.size()].value;
          if (value < 0 || value >= static_cast<int>(phase.nodes.size())) return wrong(at + ": a reduction of no node");
          type = phase.nodes[value].dtype;
        }
        if (heldType(type) != heldType(node.dtype))
          return wrong(at + ": the reduction is " + std::string(dtypeName(type)));
        return Status();
      }
      case ScalarOp::kIndex:
        if (!inRange(nest_.numOuter + nest_.numInner))
          return wrong(at + ": there is no dim " + std::to_string(node.index));
        return node.dtype == DType::kInt64 ? Status() : wrong(at + ": an index is int64");
      case ScalarOp::kParam:
        if (!inRange(nest_.numParams)) return wrong(at + ": there is no parameter " + std::to_string(node.index));
        return node.dtype == DType::kInt64 ? Status() : wrong(at + ": a parameter is int64");
      default:
        return Status();
    }
  }

  Status checkNode(const Phase& phase, size_t number, size_t reductions, const std::string& at) const {
    const ScalarNode& node = phase.nodes[number];
    const ScalarOpTraits& traits = traitsOf(node.op);
    if (!isLoopType(node.dtype)) return wrong(at + ": " + std::string(dtypeName(node.dtype)) + " is no type of loops");
    if (static_cast<int>(node.inputs.size()) != traits.arity) {
      return wrong(at + ": has " + std::to_string(node.inputs.size()) + " inputs; it takes " +
                   std::to_string(traits.arity));
    }
    for (int input : node.inputs) {
      if (input < 0 || input >= static_cast<int>(number)) {
        return wrong(at + ": input " + std::to_string(input) + " is not an earlier node");
      }
    }
    if (traits.types == TypeRule::kLeaf) return checkLeaf(phase, node, reductions, at);
    return typesFit(phase, node) ? Status() : badTypes(phase, node, at);
  }

  bool typesFit(const Phase& phase, const ScalarNode& node) const {
    auto type = [&](int i) { return phase.nodes[node.inputs[i]].dtype; };
    auto same = [](DType a, DType b) { return heldType(a) == heldType(b); };
    bool toBool = node.dtype == DType::kBool;
    bool fits = false;
    switch (traitsOf(node.op).types) {
      case TypeRule::kLeaf:
      case TypeRule::kCast:
        return true;
      case TypeRule::kFloatTest:
        return isFloat(type(0)) && toBool;
      case TypeRule::kEquality:
        return same(type(0), type(1)) && toBool;
      case TypeRule::kComparison:
        return isNumber(type(0)) && same(type(0), type(1)) && toBool;
      case TypeRule::kBitCast:
        return bitWidth(type(0)) == bitWidth(node.dtype) && (type(0) == DType::kBool) == toBool;
      case TypeRule::kSelect:
        return type(0) == DType::kBool && same(type(1), node.dtype) && same(type(2), node.dtype);
      case TypeRule::kFloat:
        fits = isFloat(node.dtype);
        break;
      case TypeRule::kNumber:
        fits = isNumber(node.dtype);
        break;
      case TypeRule::kInteger:
        fits = isInteger(node.dtype);
        break;
      case TypeRule::kBool:
        fits = toBool;
        break;
    }
    for (int input : node.inputs) fits &= same(phase.nodes[input].dtype, node.dtype);
    return fits;
  }

  Status badTypes(const Phase& phase, const ScalarNode& node, const std::string& at) const {
    std::string text;
    for (int input : node.inputs) text += (text.empty() ? "" : ", ") + std::string(dtypeName(phase.nodes[input].dtype));
    return wrong(at + ": does not take (" + text + ") to " + std::string(dtypeName(node.dtype)));
  }

  Status checkReduction(const Phase& phase, const Reduction& reduction, const std::string& at) const {
    if (reduction.value < 0 || reduction.value >= static_cast<int>(phase.nodes.size())) {
      return wrong(at + ": there is no node " + std::to_string(reduction.value));
    }
    DType type = phase.nodes[reduction.value].dtype;
    bool logical = reduction.kind == Reduction::Kind::kAnd || reduction.kind == Reduction::Kind::kOr;
    if (logical ? isFloat(type) : type == DType::kBool) {
      return wrong(at + ": does not take " + std::string(dtypeName(type)));
    }
    if (dependences_[reduction.value].onOwnReductions) return wrong(at + ": depends on its own phase's reductions");
    return Status();
  }

  Status checkStore(const Phase& phase, const Store& store, const std::string& here) const {
    std::string at = here + ", store to operand " + std::to_string(store.operand);
    if (store.operand < 0 || store.operand >= static_cast<int>(nest_.operands.size()))
      return wrong(at + ": there is none");
    const Operand& operand = nest_.operands[store.operand];
    if (!operand.written) return wrong(at + ": it is not marked as written");
    if (store.value < 0 || store.value >= static_cast<int>(phase.nodes.size())) {
      return wrong(at + ": there is no node " + std::to_string(store.value));
    }
    DType type = phase.nodes[store.value].dtype;
    if (heldType(type) != heldType(operand.dtype)) {
      return wrong(at + ": it is " + std::string(dtypeName(operand.dtype)) + ", the value " +
                   std::string(dtypeName(type)));
    }
    Dependence value = dependences_[store.value];
    bool once = nest_.numInner > 0 && operand.strides[nest_.numOuter] == StrideKind::kZero;
    if (once && value.onInner)
      return wrong(at + ": it stands still over the inner dims, and the value varies over them");
    if (!once && value.onOwnReductions) return wrong(at + ": the value depends on its own phase's reductions");
    return Status();
  }

  const LoopNest& nest_;
  std::vector<DType> reduced_;           // types of all reductions so far
  size_t reductionsBefore_ = 0;          // this phase
  std::vector<Dependence> dependences_;  // of this phase's nodes so far
};

}  // namespace

Status LoopNest::verify() const { return Verifier(*this).run(); }

}  // namespace shardwright
