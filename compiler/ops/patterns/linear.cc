// Matrix products that exporters write on merged dims.
#include "compiler/ops/patterns/patterns.h"

namespace shardwright {
namespace {

// Reshape [B*S,d] -> MatMul, + bias -> Reshape [B,S,n]: a linear layer that leaves the leading dims alone, written so that the
// batch and the sequence are one dim (Gemm takes no others). MatMul and Add do the same on the dims as they are wanted.
std::optional<std::vector<mlir::Value>> linearOnMergedDims(NodeBuilder& build, const OpView& op) {
  mlir::Value result = op.operation()->getOperand(0), bias;
  mlir::Operation* product = producer(result, "MatMul");
  if (mlir::Operation* add = producer(result, "Add")) {
    product = producer(add->getOperand(0), "MatMul");
    bias = add->getOperand(1);
  }
  if (!product || !result.hasOneUse() || !product->hasOneUse()) return std::nullopt;
  mlir::Operation* merge = producer(product->getOperand(0), "Reshape");
  mlir::Value weight = product->getOperand(1);
  if (!merge || build.dims(weight).size() != 2 || build.dims(merge->getResult(0)).size() != 2) return std::nullopt;
  // A bias with a row per row of the product would have to be reshaped too.
  if (bias && (build.dims(bias).size() > 2 || (build.dims(bias).size() == 2 && build.dims(bias)[0] != Expr(1))))
    return std::nullopt;
  Exprs to = op.result(0).dims;
  if (to.size() < 3 || to.back() != build.dims(weight)[1]) return std::nullopt;
  Exprs from = to;
  from.back() = build.dims(weight)[0];
  mlir::Value linear = build.node("MatMul", {build.reshape(merge->getOperand(0), from), weight});
  return std::vector<mlir::Value>{bias ? build.add(linear, bias) : linear};
}

}  // namespace

llvm::ArrayRef<Pattern> linearPatterns() {
  static const Pattern kPatterns[] = {
      {"linear-on-merged-dims", "Reshape", linearOnMergedDims},
  };
  return kPatterns;
}

}  // namespace shardwright
