#include "compiler/analysis/op_work.h"

namespace shardwright {

double sizeAt(Expr size, const Bindings& sizes) {
  auto value = size.evaluate(sizes);
  return value.ok() ? static_cast<double>(*value) : 1.0;
}

double bytesAt(mlir::Value value, const Bindings& sizes) {
  TensorShape shape = shapeOf(value);
  double count = 1;
  for (Expr dim : shape.dims) count *= sizeAt(dim, sizes);
  return count * bitWidth(shape.dtype) / 8;
}

double flopsOf(const Row& row, const Rule& rule, const Bindings& sizes) {
  double points = row.flopsPerPoint;
  for (const Factor& factor : rule.factors) points *= sizeAt(factor.size, sizes);
  return points;
}

double flopsOf(mlir::Operation* op, const Facts& facts, const Bindings& sizes) {
  const Row* row = rowOf(op);
  if (!row || row->flopsPerPoint == 0) return 0;
  auto rule = ruleOf(OpView(op, facts), *row);
  return rule.ok() ? flopsOf(*row, *rule, sizes) : 0;
}

}  // namespace shardwright
