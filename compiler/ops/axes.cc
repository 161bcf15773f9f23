#include "compiler/ops/axes.h"

#include "compiler/ops/shape_functions.h"

#include <numeric>

namespace shardwright {

StatusOr<std::vector<int>> reducedAxes(const OpView& op) {
  std::optional<std::vector<int64_t>> axes = op.constantInts(1);
  if (!axes) axes = op.intsAttr("axes");
  if (!axes && op.has(1)) return nodeError(op, "has axes that depend on data; axes must be constants");
  if (axes && !axes->empty()) return normalizedAxes(op, *axes, op.rank(0));
  std::vector<int> all(op.intAttr("noop_with_empty_axes", 0) ? 0 : op.rank(0));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

Exprs reducedDims(llvm::ArrayRef<Expr> dims, llvm::ArrayRef<int> axes, bool keepDims) {
  Exprs kept;
  for (size_t i = 0; i < dims.size(); ++i) {
    const bool isReduced = llvm::is_contained(axes, static_cast<int>(i));
    if (!isReduced) kept.push_back(dims[i]);
    if (isReduced && keepDims) kept.push_back(Expr(1));
  }
  return kept;
}

ReductionNames reductionNames(llvm::ArrayRef<Expr> dims, llvm::ArrayRef<int> axes, bool keepDims,
                              const std::string& mark, const std::string& combiner) {
  ReductionNames names;
  for (size_t i = 0; i < dims.size(); ++i) {
    const std::string number = std::to_string(i);
    if (llvm::is_contained(axes, static_cast<int>(i))) {
      names.operand += dims[i] == Expr(1) ? " 1" : " " + mark + "k" + number + combiner;
      names.result += keepDims ? " 1" : "";
    } else {
      names.operand += " d" + number;
      names.result += " d" + number;
    }
  }
  return names;
}

}  // namespace shardwright
