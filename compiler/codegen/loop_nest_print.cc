#include <cstdio>

#include "compiler/codegen/loop_nest.h"
#include "compiler/codegen/scalar_op.h"

namespace shardwright {
namespace {

const char* kindName(Reduction::Kind kind) {
  switch (kind) {
    case Reduction::Kind::kSum:
      return "sum";
    case Reduction::Kind::kProd:
      return "prod";
    case Reduction::Kind::kMax:
      return "max";
    case Reduction::Kind::kMin:
      return "min";
    case Reduction::Kind::kAnd:
      return "and";
    case Reduction::Kind::kOr:
      return "or";
  }
  return "?";
}

std::string operandText(const LoopNest& nest, const Operand& operand) {
  std::string text(dtypeName(operand.dtype));
  text += operand.written ? " written [" : " [";
  for (size_t d = 0; d < operand.strides.size(); ++d) {
    if (static_cast<int>(d) == nest.numOuter) text += "| ";
    StrideKind kind = operand.strides[d];
    text += kind == StrideKind::kZero ? "0 " : kind == StrideKind::kUnit ? "1 " : "? ";
  }
  if (text.back() == ' ') text.pop_back();
  return text + "]";
}

std::string nodeText(const ScalarNode& node) {
  std::string text = std::string(traitsOf(node.op).name) + " " + std::string(dtypeName(node.dtype));
  for (int input : node.inputs) text += " %" + std::to_string(input);
  switch (node.op) {
    case ScalarOp::kConst:
      if (isInteger(node.dtype)) return text + " " + std::to_string(node.integer);
      char number[40];
      std::snprintf(number, sizeof number, " %.17g", node.constant);
      return text + number;
    case ScalarOp::kLoad:
      return text + " operand " + std::to_string(node.index);
    case ScalarOp::kReduced:
      return text + " reduction " + std::to_string(node.index);
    case ScalarOp::kIndex:
      return text + " dim " + std::to_string(node.index);
    case ScalarOp::kParam:
      return text + " parameter " + std::to_string(node.index);
    default:
      return text;
  }
}

}  // namespace

// nest softmax: 1 outer, 1 inner, 0 parameters
//   operand 0: float32 [? | 1]
//   phase 0
//     %0 = load float32 operand 0
//     reduction 0 = max %0
//   phase 1
//     …
//     operand 1 := %3
std::string LoopNest::str() const {
  std::string text = "nest " + name + ": " + std::to_string(numOuter) + " outer, " + std::to_string(numInner) +
                     " inner, " + std::to_string(numParams) + " parameters\n";
  for (size_t i = 0; i < operands.size(); ++i) {
    text += "  operand " + std::to_string(i) + ": " + operandText(*this, operands[i]) + "\n";
  }
  int reduction = 0;
  for (size_t p = 0; p < phases.size(); ++p) {
    text += "  phase " + std::to_string(p) + "\n";
    for (size_t n = 0; n < phases[p].nodes.size(); ++n) {
      text += "    %" + std::to_string(n) + " = " + nodeText(phases[p].nodes[n]) + "\n";
    }
    for (const Reduction& r : phases[p].reductions) {
      text += "    reduction " + std::to_string(reduction++) + " = " + kindName(r.kind) + " %" +
              std::to_string(r.value) + "\n";
    }
    for (const Store& s : phases[p].stores) {
      text += "    operand " + std::to_string(s.operand) + " := %" + std::to_string(s.value) + "\n";
    }
  }
  return text;
}

}  // namespace shardwright
