// Rows of normalisations: all are expansions into reductions and elementwise ops, which lowering fuses into one loop. Mean and
// variance are computed in two passes (the variance from differences to the mean), in float32 for 16-bit types. A split of a
// normalised dim ("@") leaves partial sums in the expansion: one small all-reduce per statistic.
#include "compiler/ops/axes.h"
#include "compiler/ops/dim_names.h"
#include "compiler/ops/families.h"
#include "compiler/ops/node_builder.h"
#include "compiler/ops/shape_functions.h"

#include <numeric>

namespace shardwright {
namespace {

using Expand = std::vector<mlir::Value> (*)(mlir::OpBuilder&, const OpView&);
using RuleFor = std::string (*)(const OpView&);
using Infer = Status (*)(const OpView&, ResultShapes&);

Row composite(const char* name, RuleFor ruleFor, Infer infer, Expand expand, double flopsPerPoint = 8) {
  Row row;
  row.name = name;
  row.ruleFor = ruleFor;
  row.infer = infer;
  row.flopsPerPoint = flopsPerPoint;
  row.lowering = ExpandBody{expand};
  return row;
}

Row onImport(Row row) {
  row.ruleFor = nullptr;
  row.expandOnImport = true;
  return row;
}

std::vector<int64_t> axesFrom(int first, int rank) {
  std::vector<int64_t> axes(std::max(rank - first, 0));
  std::iota(axes.begin(), axes.end(), first);
  return axes;
}

// x - mean(x), and 1 / sqrt(variance + epsilon), over the axes.
struct Centered {
  mlir::Value difference, mean, inverseDeviation;
};
Centered center(NodeBuilder& n, mlir::Value x, llvm::ArrayRef<int64_t> axes, double epsilon) {
  Centered c;
  c.mean = n.reduce("ReduceMean", x, axes);
  c.difference = n.sub(x, c.mean);
  mlir::Value variance = n.reduce("ReduceMean", n.mul(c.difference, c.difference), axes);
  c.inverseDeviation = n.node("Reciprocal", {n.node("Sqrt", {n.add(variance, epsilon)})});
  return c;
}

// --- Softmax and LogSoftmax. -----------------------------------------------------------------------------------------------------

std::string softmaxRule(const OpView& op) {
  const int axis = op.axisAttr("axis", -1, op.rank(0));
  std::string dims;
  for (int i = 0; i < op.rank(0); ++i) dims += i == axis ? " @v" : " d" + std::to_string(i);
  return dims + " ->" + dims;
}

Status inferSoftmax(const OpView& op, ResultShapes& results) {
  SW_RETURN_IF_ERROR(normalizedAxis(op, op.intAttr("axis", -1), op.rank(0)).status());
  return allResults(op, op.operand(0), results);
}

template <bool IsLog>
std::vector<mlir::Value> expandSoftmax(mlir::OpBuilder& builder, const OpView& op) {
  NodeBuilder n(builder, op);
  const DType type = op.dtype(0);
  const int64_t axis = op.axisAttr("axis", -1, op.rank(0));
  mlir::Value x = n.cast(n.operand(0), accumulationType(type));
  mlir::Value shifted = n.sub(x, n.reduce("ReduceMax", x, {axis}));
  mlir::Value exponential = n.node("Exp", {shifted});
  mlir::Value sum = n.reduce("ReduceSum", exponential, {axis});
  mlir::Value y = IsLog ? n.sub(shifted, n.node("Log", {sum})) : n.div(exponential, sum);
  return {n.cast(y, type)};
}

// --- LayerNormalization and RMSNormalization. ------------------------------------------------------------------------------------

int normAxis(const OpView& op) { return op.axisAttr("axis", -1, op.rank(0)); }

Status inferLayerNorm(const OpView& op, ResultShapes& results) {
  SW_ASSIGN_OR_RETURN(const int axis, normalizedAxis(op, op.intAttr("axis", -1), op.rank(0)));
  SW_RETURN_IF_ERROR(broadcast(op, {op.dims(0), op.dims(1)}).status());
  SW_RETURN_IF_ERROR(allResults(op, op.operand(0), results));
  for (size_t i = 1; i < results.size(); ++i) {
    results[i].dtype = static_cast<DType>(op.intAttr("stash_type", 1));
    for (int d = axis; d < op.rank(0); ++d) results[i].dims[d] = Expr(1);
  }
  return Status();
}

// "d0 d1 @d2, d2, d2 -> d0 d1 d2, d0 d1 1, d0 d1 1"
std::string layerNormRule(const OpView& op) {
  const int axis = normAxis(op), rank = op.rank(0);
  const Exprs dims = op.dims(0);
  std::vector<std::string> names;
  for (int i = 0; i < rank; ++i) names.push_back((i >= axis ? "@d" : "d") + std::to_string(i));
  std::string x, statistics;
  for (int i = 0; i < rank; ++i) {
    x += " " + names[i];
    statistics += i >= axis ? " 1" : " " + names[i];
  }
  std::string rule = x;
  for (int i = 1; i < op.numOperands(); ++i) rule += !op.has(i) ? ", -" : ", " + broadcastNames(op.dims(i), names);
  rule += " ->" + x;
  for (int i = 1; i < op.numResults(); ++i) rule += "," + statistics;
  return rule;
}

std::vector<mlir::Value> expandLayerNorm(mlir::OpBuilder& builder, const OpView& op) {
  NodeBuilder n(builder, op);
  const DType type = op.dtype(0), stash = static_cast<DType>(op.intAttr("stash_type", 1));
  const std::vector<int64_t> axes = axesFrom(normAxis(op), op.rank(0));
  const Centered c = center(n, n.cast(n.operand(0), stash), axes, op.floatAttr("epsilon", 1e-5));
  mlir::Value y = n.mul(n.cast(n.mul(c.difference, c.inverseDeviation), type), n.operand(1));
  if (op.has(2)) y = n.add(y, n.operand(2));
  std::vector<mlir::Value> results = {y, c.mean, c.inverseDeviation};
  results.resize(op.numResults());
  return results;
}

// The result has the scale's type.
Status inferRmsNorm(const OpView& op, ResultShapes& results) {
  SW_RETURN_IF_ERROR(inferLayerNorm(op, results));
  results[0].dtype = op.dtype(1);
  return Status();
}

std::vector<mlir::Value> expandRmsNorm(mlir::OpBuilder& builder, const OpView& op) {
  NodeBuilder n(builder, op);
  const DType stash = static_cast<DType>(op.intAttr("stash_type", 1));
  const std::vector<int64_t> axes = axesFrom(normAxis(op), op.rank(0));
  mlir::Value x = n.cast(n.operand(0), stash);
  mlir::Value meanSquare = n.reduce("ReduceMean", n.mul(x, x), axes);
  mlir::Value inverse = n.node("Reciprocal", {n.node("Sqrt", {n.add(meanSquare, op.floatAttr("epsilon", 1e-5))})});
  mlir::Value y = n.mul(n.cast(n.mul(x, inverse), op.dtype(1)), n.operand(1));
  std::vector<mlir::Value> results = {y, inverse};
  results.resize(op.numResults());
  return results;
}

// --- BatchNormalization, InstanceNormalization, GroupNormalization: one scale per channel, which is dim 1. -----------------------

std::string channelRule(const OpView& op, const std::string& spatialMark) {
  std::string x;
  for (int i = 0; i < op.rank(0); ++i)
    x += (i == 1 ? " c" : i == 0 ? " n" : " " + spatialMark + "s" + std::to_string(i));
  std::string rule = x;
  for (int i = 1; i < op.numOperands(); ++i) rule += ", c";
  return rule + " ->" + x;
}

std::string batchNormRule(const OpView& op) { return channelRule(op, ""); }
std::string instanceNormRule(const OpView& op) { return channelRule(op, "@"); }

// [c] as [c, 1, 1], to go with [n, c, h, w].
mlir::Value perChannel(NodeBuilder& n, mlir::Value value, int rank) {
  Exprs dims(rank - 1, Expr(1));
  dims[0] = n.dims(value)[0];
  return n.reshape(value, dims);
}

Status inferBatchNorm(const OpView& op, ResultShapes& results) {
  if (op.intAttr("training_mode", 0))
    return nodeError(op, "is in training mode, and only inference is supported; set training_mode to 0");
  if (op.rank(0) < 2) return nodeError(op, "needs rank 2 or more, and has rank " + std::to_string(op.rank(0)));
  results.assign(op.numResults(), op.operand(1));
  results[0] = op.operand(0);
  return Status();
}

// y = x·s + (bias - mean·s) with s = scale / sqrt(variance + epsilon): two operations per element, the rest per channel.
std::vector<mlir::Value> expandBatchNorm(mlir::OpBuilder& builder, const OpView& op) {
  NodeBuilder n(builder, op);
  const DType type = op.dtype(0), computed = accumulationType(type);
  auto statistic = [&](int i) { return n.cast(n.operand(i), computed); };
  mlir::Value inverse = n.node("Reciprocal", {n.node("Sqrt", {n.add(statistic(4), op.floatAttr("epsilon", 1e-5))})});
  mlir::Value scale = n.mul(statistic(1), inverse);
  mlir::Value shift = n.sub(statistic(2), n.mul(statistic(3), scale));
  mlir::Value x = n.cast(n.operand(0), computed);
  mlir::Value y = n.add(n.mul(x, perChannel(n, scale, op.rank(0))), perChannel(n, shift, op.rank(0)));
  std::vector<mlir::Value> results(op.numResults());
  results[0] = n.cast(y, type);
  return results;
}

std::vector<mlir::Value> expandInstanceNorm(mlir::OpBuilder& builder, const OpView& op) {
  NodeBuilder n(builder, op);
  const DType type = op.dtype(0), computed = accumulationType(type);
  const Centered c = center(n, n.cast(n.operand(0), computed), axesFrom(2, op.rank(0)), op.floatAttr("epsilon", 1e-5));
  mlir::Value scale = perChannel(n, n.cast(n.operand(1), computed), op.rank(0));
  mlir::Value bias = perChannel(n, n.cast(n.operand(2), computed), op.rank(0));
  return {n.cast(n.add(n.mul(n.mul(c.difference, c.inverseDeviation), scale), bias), type)};
}

// Channels as [groups, channels/groups]. Before opset 21 scale and bias have one element per group.
std::vector<mlir::Value> expandGroupNorm(mlir::OpBuilder& builder, const OpView& op) {
  NodeBuilder n(builder, op);
  const DType type = op.dtype(0), stash = static_cast<DType>(op.intAttr("stash_type", 1));
  const Exprs dims = op.dims(0);
  const Expr groups = Expr(op.intAttr("num_groups", 1));
  const Expr channels = dims[1].dividedBy(groups).value_or(Expr::floorDiv(dims[1], groups));
  Exprs grouped = {dims[0], groups, channels};
  grouped.append(dims.begin() + 2, dims.end());
  mlir::Value x = n.reshape(n.cast(n.operand(0), stash), grouped);
  const Centered c = center(n, x, axesFrom(2, static_cast<int>(grouped.size())), op.floatAttr("epsilon", 1e-5));
  mlir::Value y = n.cast(n.mul(c.difference, c.inverseDeviation), type);
  auto parameter = [&](int i) {
    Exprs to(grouped.size() - 1, Expr(1));
    to[0] = groups;
    if (op.facts().provablyEqual(op.dims(i)[0], dims[1])) to[1] = channels;
    return n.reshape(n.operand(i), to);
  };
  y = n.add(n.mul(y, parameter(1)), parameter(2));
  return {n.reshape(y, dims)};
}

// --- LpNormalization and MeanVarianceNormalization. ------------------------------------------------------------------------------

// A norm of 0 gives 0.
std::vector<mlir::Value> expandLpNorm(mlir::OpBuilder& builder, const OpView& op) {
  NodeBuilder n(builder, op);
  const DType type = op.dtype(0), computed = accumulationType(type);
  const int64_t axis = op.axisAttr("axis", -1, op.rank(0));
  mlir::Value x = n.cast(n.operand(0), computed);
  mlir::Value norm = op.intAttr("p", 2) == 1 ? n.reduce("ReduceL1", x, {axis})
                                             : n.node("Sqrt", {n.reduce("ReduceSumSquare", x, {axis})});
  norm = n.node("Max", {norm, n.scalar(computed == DType::kFloat64 ? 1e-300 : 1e-37, computed)});
  return {n.cast(n.div(x, norm), type)};
}

std::string meanVarianceRule(const OpView& op) {
  const std::vector<int64_t> axes = op.intsAttr("axes").value_or(std::vector<int64_t>{0, 2, 3});
  std::string dims;
  for (int i = 0; i < op.rank(0); ++i) {
    const bool isNormalized = llvm::is_contained(axes, i) || llvm::is_contained(axes, i - op.rank(0));
    dims += (isNormalized ? " @d" : " d") + std::to_string(i);
  }
  return dims + " ->" + dims;
}

std::vector<mlir::Value> expandMeanVariance(mlir::OpBuilder& builder, const OpView& op) {
  NodeBuilder n(builder, op);
  const DType type = op.dtype(0), computed = accumulationType(type);
  const std::vector<int64_t> axes = op.intsAttr("axes").value_or(std::vector<int64_t>{0, 2, 3});
  mlir::Value x = n.cast(n.operand(0), computed);
  mlir::Value difference = n.sub(x, n.reduce("ReduceMean", x, axes));
  mlir::Value deviation = n.node("Sqrt", {n.reduce("ReduceMean", n.mul(difference, difference), axes)});
  return {n.cast(n.div(difference, n.add(deviation, 1e-9)), type)};
}

}  // namespace

llvm::ArrayRef<Row> normalizationRows() {
  static const std::vector<Row> kRows = {
      composite("Softmax", softmaxRule, inferSoftmax, expandSoftmax<false>, 25),
      composite("LogSoftmax", softmaxRule, inferSoftmax, expandSoftmax<true>, 25),
      composite("LayerNormalization", layerNormRule, inferLayerNorm, expandLayerNorm),
      composite("RMSNormalization", layerNormRule, inferRmsNorm, expandRmsNorm, 5),
      composite("SimplifiedLayerNormalization", layerNormRule, inferRmsNorm, expandRmsNorm, 5),
      composite("BatchNormalization", batchNormRule, inferBatchNorm, expandBatchNorm, 2),
      composite("InstanceNormalization", instanceNormRule, nullptr, expandInstanceNorm),
      onImport(composite("GroupNormalization", nullptr, nullptr, expandGroupNorm)),
      composite("LpNormalization", softmaxRule, inferSoftmax, expandLpNorm, 4),
      composite("MeanVarianceNormalization", meanVarianceRule, nullptr, expandMeanVariance),
  };
  return kRows;
}

}  // namespace shardwright
