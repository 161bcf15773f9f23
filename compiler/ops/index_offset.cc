#include "compiler/ops/index_offset.h"

namespace shardwright {

bool isContiguous(const Strategy& strategy, int factor) {
  const auto& splits = strategy.splits[factor];
  return splits.empty() || (splits.size() == 1 && splits[0].outer == Expr(1));
}

Expr beginOf(const Rule& rule, const Strategy& strategy, int factor, const Mesh& mesh) {
  if (strategy.splits[factor].empty()) return Expr(0);
  const FactorSplit& split = strategy.splits[factor].front();
  return partOf(rule.factors[factor].size, split.granules, sizeOf(split.axes), mesh.coordinate(split.axes)).begin;
}

int factorOf(const FactorTensor& tensor, int dim) {
  const FactorDim& factors = tensor.dims[dim];
  return factors.size() == 1 ? factors.front() : -1;
}

}  // namespace shardwright
