#include "compiler/analysis/op_flops.h"

namespace shardwright {

double flopsOf(const Row& row, const Rule& rule, const Bindings& sizes) {
  double points = row.flopsPerPoint;
  for (const Factor& factor : rule.factors) {
    auto size = factor.size.evaluate(sizes);
    points *= size.ok() ? static_cast<double>(*size) : 1.0;
  }
  return points;
}

double flopsOf(mlir::Operation* op, const Facts& facts, const Bindings& sizes) {
  const Row* row = rowOf(op);
  if (!row || row->flopsPerPoint == 0) return 0;
  auto rule = ruleOf(OpView(op, facts), *row);
  return rule.ok() ? flopsOf(*row, *rule, sizes) : 0;
}

}  // namespace shardwright
