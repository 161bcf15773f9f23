// Ops that change nothing: windows that are the whole operand, conversions to the type that is there, concatenations of one.
// Which ops these can be, the rows say.
#include "compiler/ops/patterns/patterns.h"
#include "compiler/ops/reshape_factors.h"

namespace shardwright {
namespace {

bool onlyFirstResultIsUsed(const OpView& op) {
  for (int i = 1; i < op.numResults(); ++i)
    if (!op.operation()->getResult(i).use_empty()) return false;
  return op.numResults() > 0;
}

bool hasTypeOf(const OpView& op, int operand) {
  return op.has(operand) && op.operation()->getOperand(operand).getType() == op.operation()->getResult(0).getType();
}

std::optional<std::vector<mlir::Value>> replaceByOperand(const OpView& op, int operand) {
  return std::vector<mlir::Value>(op.numResults(), op.operation()->getOperand(operand));
}

// Identity, Reshape to the same dims, Transpose of nothing, Slice of everything, Expand to what is there.
std::optional<std::vector<mlir::Value>> wholeWindow(NodeBuilder&, const OpView& op) {
  const auto* body = std::get_if<ViewBody>(&rowOf(op.operation())->lowering);
  if (!body || !onlyFirstResultIsUsed(op) || !hasTypeOf(op, 0)) return std::nullopt;
  Exprs dims = op.dims(0);
  SymbolicView dense{0, dims, denseStrides(dims)};
  std::optional<SymbolicView> view = body->view(op, 0, dense, dims);
  if (!view || view->offset != Expr(0)) return std::nullopt;
  for (size_t i = 0; i < dims.size(); ++i)
    if (dims[i] != Expr(1) && view->strides[i] != dense.strides[i]) return std::nullopt;
  return replaceByOperand(op, 0);
}

// An elementwise op whose body hands on one of its operands: Cast to the same type, Dropout at rest.
std::optional<std::vector<mlir::Value>> sameElements(NodeBuilder&, const OpView& op) {
  const auto* body = std::get_if<ScalarBody>(&rowOf(op.operation())->lowering);
  if (!body || !onlyFirstResultIsUsed(op)) return std::nullopt;
  std::vector<ScalarNode> nodes;
  BodyBuilder builder(nodes);
  std::vector<int> inputs;
  for (int i = 0; i < op.numOperands(); ++i)
    inputs.push_back(op.has(i) ? builder.node(ScalarOp::kLoad, op.dtype(i), {}, i) : -1);
  std::vector<int> results = body->build(builder, op, inputs);
  for (int i = 0; i < op.numOperands(); ++i)
    if (inputs[i] >= 0 && results[0] == inputs[i] && hasTypeOf(op, i)) return replaceByOperand(op, i);
  return std::nullopt;
}

std::optional<std::vector<mlir::Value>> concatOfOne(NodeBuilder&, const OpView& op) {
  if (op.numOperands() != 1) return std::nullopt;
  return replaceByOperand(op, 0);
}

}  // namespace

llvm::ArrayRef<Pattern> identityPatterns() {
  static const Pattern kPatterns[] = {
      {"whole-window", nullptr, wholeWindow},
      {"same-elements", nullptr, sameElements},
      {"concat-of-one", "Concat", concatOfOne},
  };
  return kPatterns;
}

}  // namespace shardwright
