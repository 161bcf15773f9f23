// Convolutions followed by what is constant per filter.
#include "compiler/ops/patterns/patterns.h"
#include "compiler/ops/patterns/weight_part.h"

namespace shardwright {
namespace {

// BatchNormalization(Conv(x, W, b), scale, shift, mean, variance) -> Conv(x, W·f, (b - mean)·f + shift), f = scale / √(variance + ε)
// by filter. What is made of constants alone is computed once, at load.
std::optional<std::vector<mlir::Value>> normalizedConvolution(NodeBuilder& build, const OpView& op) {
  mlir::Operation* conv = producer(op.operation()->getOperand(0), "Conv");
  if (!conv || !conv->hasOneUse() || op.intAttr("training_mode", 0)) return std::nullopt;
  for (unsigned i = 1; i < op.operation()->getNumResults(); ++i)
    if (!op.operation()->getResult(i).use_empty()) return std::nullopt;
  OpView view(conv, op.facts());
  for (int i = 1; i < 5; ++i)
    if (!isWeight(op.operation()->getOperand(i))) return std::nullopt;
  if (!isWeight(conv->getOperand(1)) || (view.has(2) && !isWeight(conv->getOperand(2)))) return std::nullopt;
  DType type = view.dtype(1), computed = accumulationType(type);
  auto parameter = [&](int i) { return build.cast(build.operand(i), computed); };
  mlir::Value deviation = build.node("Sqrt", {build.add(parameter(4), op.floatAttr("epsilon", 1e-5))});
  mlir::Value factor = build.div(parameter(1), deviation);
  Exprs perFilter(view.rank(1), Expr(1));
  perFilter[0] = view.dims(1)[0];
  mlir::Value weight = build.cast(conv->getOperand(1), computed);
  weight = build.cast(build.mul(weight, build.reshape(factor, perFilter)), type);
  mlir::Value shift = build.mul(parameter(3), factor);
  if (view.has(2)) shift = build.sub(shift, build.mul(build.cast(conv->getOperand(2), computed), factor));
  mlir::Value bias = build.sub(parameter(2), shift);
  llvm::SmallVector<NodeBuilder::Attr> attrs;
  for (const mlir::NamedAttribute& attr : conv->getAttrs())
    attrs.push_back({attr.getName().getValue(), attr.getValue()});
  mlir::Value result = build.node("Conv", {conv->getOperand(0), weight, build.cast(bias, type)}, attrs);
  return std::vector<mlir::Value>(op.operation()->getNumResults(), result);
}

}  // namespace

llvm::ArrayRef<Pattern> convolutionPatterns() {
  static const Pattern kPatterns[] = {
      {"normalized-convolution", "BatchNormalization", normalizedConvolution},
  };
  return kPatterns;
}

}  // namespace shardwright
