// Rows of convolution and pooling: Conv, ConvInteger, QLinearConv, MaxPool, AveragePool, GlobalAveragePool, GlobalMaxPool,
// GlobalLpPool.
#include "compiler/ops/dim_names.h"
#include "compiler/ops/expansion.h"
#include "compiler/ops/families.h"
#include "compiler/ops/node_builder.h"
#include "compiler/ops/shape_functions.h"
#include "compiler/ops/window.h"

#include <numeric>

namespace shardwright {
namespace {

// --- Conv. ---------------------------------------------------------------------------------------------------------------------

StatusOr<std::vector<int64_t>> kernelOf(const OpView& op, int weights) {
  std::vector<int64_t> kernel;
  const Exprs w = op.dims(weights);
  for (size_t i = 2; i < w.size(); ++i) {
    const std::optional<int64_t> size = w[i].constant();
    if (!size) return nodeError(op, "has a kernel of sizes " + str(w) + ", which must be constants");
    kernel.push_back(*size);
  }
  return kernel;
}

StatusOr<Window> convWindow(const OpView& op, int weights = 1) {
  SW_ASSIGN_OR_RETURN(std::vector<int64_t> kernel, kernelOf(op, weights));
  return windowOf(op, std::move(kernel));
}

StatusOr<Exprs> convDims(const OpView& op, int weights) {
  if (op.rank(0) != op.rank(weights) || op.rank(0) < 3)
    return nodeError(op, "has an input of rank " + std::to_string(op.rank(0)) + " and weights of rank " +
                             std::to_string(op.rank(weights)));
  SW_ASSIGN_OR_RETURN(const Window window, convWindow(op, weights));
  const Exprs x = op.dims(0), w = op.dims(weights);
  SW_RETURN_IF_ERROR(
      requireEqual(op, x[1], w[1] * Expr(op.intAttr("group", 1)), "the input's channels and what the weights read"));
  if (!w[0].dividedBy(Expr(op.intAttr("group", 1))))
    return nodeError(op, "makes " + w[0].str() + " channels in " + std::to_string(op.intAttr("group", 1)) +
                             " groups; their number must be a multiple of the groups'");
  Exprs dims = {x[0], w[0]};
  const Exprs counts = windowCounts(op, window);
  dims.append(counts.begin(), counts.end());
  return dims;
}

Status inferConv(const OpView& op, ResultShapes& results) {
  SW_ASSIGN_OR_RETURN(const Exprs dims, convDims(op, 1));
  return allResults(op, {op.dtype(0), dims}, results);
}

// "n (g=4 c) !h0 !h1, (g o) c !k0 !k1, (g o) -> n (g o) !y0 !y1"; the bias comes once, after the sum over c, so that with a bias a
// split of c needs the decomposition.
std::string convRule(const OpView& op) {
  const int64_t group = op.intAttr("group", 1);
  const int spatial = op.rank(0) - 2;
  const std::string c = op.has(2) ? "@c" : "c";
  const std::string g = group == 1 ? "" : "g=" + std::to_string(group) + " ";
  const std::string in = group == 1 ? c : "(" + g + c + ")", out = group == 1 ? "o" : "(" + g + "o)";
  std::string rule =
      "n " + in + " " + dimNames("h", spatial, "!") + ", " + out + " " + c + " " + dimNames("k", spatial, "!");
  if (op.numOperands() > 2) rule += op.has(2) ? ", " + out : ", -";
  return rule + " -> n " + out + " " + dimNames("y", spatial, "!");
}

// The groups' factor, or -1 for one group.
int groupFactor(const OpView& op, const Rule& rule) {
  return op.intAttr("group", 1) == 1 ? -1 : rule.operands[0].dims[1].front();
}

// Weights are laid out for a number of groups, so that every rank must have equally many.
bool convAdmits(const OpView& op, const Rule& rule, const Strategy& strategy) {
  const int factor = groupFactor(op, rule);
  if (factor < 0 || strategy.splits[factor].empty()) return true;
  const auto& splits = strategy.splits[factor];
  return splits.size() == 1 && op.facts().provablyDivides(sizeOf(splits[0].axes), splits[0].granules);
}

Row::LocalAttrs localizeConv(const OpView& op, const Rule& rule, const Strategy& strategy, const Mesh&) {
  const int factor = groupFactor(op, rule);
  if (factor < 0 || strategy.splits[factor].empty()) return {};
  mlir::Builder builder(op.operation()->getContext());
  const int64_t local = op.intAttr("group", 1) / sizeOf(strategy.splits[factor][0].axes);
  return {{{"group", builder.getI64IntegerAttr(local)}}};
}

std::vector<int> channelsLast(int rank) {
  std::vector<int> order{0};
  for (int d = 2; d < rank; ++d) order.push_back(d);
  order.push_back(1);
  return order;
}

KernelCall convCall(const OpView& op) {
  const StatusOr<Window> window = convWindow(op);
  KernelCall call;
  call.kernel = "conv";
  call.attrs = {{"strides", window->strides},
                {"dilations", window->dilations},
                {"pads", window->pads()},
                {"group", op.intAttr("group", 1)}};
  call.operands = {0, 1, op.has(2) ? 2 : -1};
  call.denseOperands = 0b110;
  call.takesPostOps = true;
  call.resultOrder = channelsLast(op.rank(0));
  return call;
}

// What another convolution of the same window is written with.
std::vector<NodeBuilder::Attr> windowAttrs(const OpView& op) {
  std::vector<NodeBuilder::Attr> attrs;
  for (const mlir::NamedAttribute& attr : op.operation()->getAttrs())
    if (attr.getName() != "static" && !attr.getName().getValue().starts_with("dist."))
      attrs.push_back({attr.getName().getValue(), attr.getValue()});
  return attrs;
}

std::vector<mlir::Value> splitOffBias(mlir::OpBuilder& builder, const OpView& op) {
  if (!op.has(2)) return {};
  NodeBuilder n(builder, op);
  mlir::Value y = n.node("Conv", {n.operand(0), n.operand(1)}, windowAttrs(op));
  Exprs dims(op.rank(0) - 1, Expr(1));
  dims[0] = op.dims(2)[0];
  return {n.add(y, n.reshape(n.operand(2), dims))};
}

Row conv() {
  Row row;
  row.name = "Conv";
  row.ruleFor = convRule;
  row.infer = inferConv;
  row.admits = convAdmits;
  row.localize = localizeConv;
  row.flopsPerPoint = 2;
  row.lowering = KernelBody{convCall};
  row.decomposition = ExpandBody{splitOffBias};
  return row;
}

// --- ConvInteger and QLinearConv. ------------------------------------------------------------------------------------------------

// The most products of 255·255 and of 16·255 that float32 sums exactly.
constexpr int64_t kExactProducts = (1 << 24) / (255 * 255), kExactHalfProducts = (1 << 24) / (16 * 255);

// How many products each output sums.
Expr productsOf(const OpView& op) {
  const Exprs w = op.dims(1);
  Expr products = 1;
  for (const Expr& size : llvm::ArrayRef<Expr>(w).drop_front()) products *= size;
  return products;
}

Status inferConvInteger(const OpView& op, ResultShapes& results) {
  SW_ASSIGN_OR_RETURN(const Exprs dims, convDims(op, 1));
  const Expr products = productsOf(op);
  if (products.constant().value_or(kExactHalfProducts + 1) > kExactHalfProducts)
    return nodeError(op,
                     "sums " + products.str() + " products; allowed are up to " + std::to_string(kExactHalfProducts));
  return allResults(op, {DType::kInt32, dims}, results);
}

// Sums of whole numbers, exact: where float32 would round them, of the high and the low four bits apart.
std::vector<mlir::Value> expandConvInteger(mlir::OpBuilder& builder, const OpView& op) {
  NodeBuilder n(builder, op);
  mlir::Value x = n.withoutZeroPoint(n.operand(0), n.operand(2), 1, DType::kFloat32);
  mlir::Value w = n.withoutZeroPoint(n.operand(1), n.operand(3), 0, DType::kFloat32);
  const auto sums = [&](mlir::Value of) { return n.cast(n.node("Conv", {of, w}, windowAttrs(op)), DType::kInt32); };
  if (*productsOf(op).constant() <= kExactProducts) return {sums(x)};
  mlir::Value high = n.node("Floor", {n.mul(x, 1.0 / 16)});
  return {n.add(n.mul(sums(high), 16), sums(n.sub(x, n.mul(high, 16))))};
}

enum QLinear { kX, kScaleX, kZeroX, kW, kScaleW, kZeroW, kScaleY, kZeroY, kBias };

Status inferQLinearConv(const OpView& op, ResultShapes& results) {
  SW_ASSIGN_OR_RETURN(const Exprs dims, convDims(op, kW));
  return allResults(op, {op.dtype(kZeroY), dims}, results);
}

// The bias counts in products of the scales.
std::vector<mlir::Value> expandQLinearConv(mlir::OpBuilder& builder, const OpView& op) {
  NodeBuilder n(builder, op);
  mlir::Value x = n.node("DequantizeLinear", {n.operand(kX), n.operand(kScaleX), n.operand(kZeroX)});
  mlir::Value w =
      n.node("DequantizeLinear", {n.operand(kW), n.operand(kScaleW), n.operand(kZeroW)}, {{"axis", n.intAttr(0)}});
  mlir::Value bias;
  if (op.has(kBias))
    bias = n.mul(n.cast(n.operand(kBias), DType::kFloat32), n.mul(n.operand(kScaleX), n.operand(kScaleW)));
  mlir::Value y = n.node("Conv", {x, w, bias}, windowAttrs(op));
  return {n.node("QuantizeLinear", {y, n.operand(kScaleY), n.operand(kZeroY)})};
}

// --- Pooling. ------------------------------------------------------------------------------------------------------------------

Status inferPool(const OpView& op, ResultShapes& results) {
  if (op.numResults() > 1) return nodeError(op, "gives the indices of maxima, which is not supported");
  SW_ASSIGN_OR_RETURN(const Window window, windowOf(op, {}));
  const Exprs x = op.dims(0);
  Exprs dims = {x[0], x[1]};
  const Exprs counts = windowCounts(op, window);
  dims.append(counts.begin(), counts.end());
  return allResults(op, {op.dtype(0), dims}, results);
}

std::string poolRule(const OpView& op) {
  const int spatial = op.rank(0) - 2;
  return "n c " + dimNames("h", spatial, "!") + " -> n c " + dimNames("y", spatial, "!");
}

template <bool IsMax>
KernelCall poolCall(const OpView& op) {
  const StatusOr<Window> window = windowOf(op, {});
  KernelCall call;
  call.kernel = "pool";
  call.attrs = {{"mode", std::string(IsMax ? "max" : "average")},
                {"kernel_shape", window->kernel},
                {"strides", window->strides},
                {"dilations", window->dilations},
                {"pads", window->pads()}};
  if (!IsMax) call.attrs.push_back({"count_include_pad", op.intAttr("count_include_pad", 0)});
  call.operands = {0};
  call.resultOrder = channelsLast(op.rank(0));
  return call;
}

Row pool(const char* name, KernelCall (*call)(const OpView&)) {
  Row row;
  row.name = name;
  row.ruleFor = poolRule;
  row.infer = inferPool;
  row.flopsPerPoint = 1;
  row.lowering = KernelBody{call};
  return row;
}

Status inferGlobalPool(const OpView& op, ResultShapes& results) {
  TensorShape shape = op.operand(0);
  for (size_t i = 2; i < shape.dims.size(); ++i) shape.dims[i] = Expr(1);
  return allResults(op, shape, results);
}

template <const char* const& Reduction>
std::vector<mlir::Value> expandGlobalPool(mlir::OpBuilder& builder, const OpView& op) {
  NodeBuilder n(builder, op);
  std::vector<int64_t> axes(op.rank(0) - 2);
  std::iota(axes.begin(), axes.end(), 2);
  return {n.reduce(Reduction, n.operand(0), axes)};
}

// The p-norm over all positions.
std::vector<mlir::Value> expandGlobalLpPool(mlir::OpBuilder& builder, const OpView& op) {
  NodeBuilder n(builder, op);
  auto power = [&](mlir::Value value, double exponent) {
    return n.node("Pow", {value, n.scalar(exponent, op.dtype(0))});
  };
  std::vector<int64_t> axes(op.rank(0) - 2);
  std::iota(axes.begin(), axes.end(), 2);
  const int64_t p = op.intAttr("p", 2);
  if (p <= 2) return {n.reduce(p == 1 ? "ReduceL1" : "ReduceL2", n.operand(0), axes)};
  const double exponent = static_cast<double>(p);
  return {power(n.reduce("ReduceSum", power(n.node("Abs", {n.operand(0)}), exponent), axes), 1 / exponent)};
}

const char* const kMean = "ReduceMean";
const char* const kMax = "ReduceMax";

Row globalPool(const char* name, ExpandFunction expand) { return expandedOnImport(name, inferGlobalPool, expand); }

}  // namespace

llvm::ArrayRef<Row> convRows() {
  static const std::vector<Row> kRows = {
      conv(),
      expandedOnImport("ConvInteger", inferConvInteger, expandConvInteger),
      expandedOnImport("QLinearConv", inferQLinearConv, expandQLinearConv),
      pool("MaxPool", poolCall<true>),
      pool("AveragePool", poolCall<false>),
      globalPool("GlobalAveragePool", expandGlobalPool<kMean>),
      globalPool("GlobalMaxPool", expandGlobalPool<kMax>),
      globalPool("GlobalLpPool", expandGlobalLpPool),
  };
  return kRows;
}

}  // namespace shardwright
