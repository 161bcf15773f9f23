// Rows of ONNX Runtime's own ops (domain com.microsoft) that its optimizer writes: activations and normalisations with what stands
// before them, and products with what stands behind them. Import writes each as the ONNX ops that it stands for, so that what is
// known of those (splits, patterns, fusion) holds for models that were optimized before. Attention is in contrib_attention.cc.
#include "compiler/ops/expansion.h"
#include "compiler/ops/families.h"
#include "compiler/ops/node_builder.h"
#include "compiler/ops/shape_functions.h"

namespace shardwright {
namespace {

using Values = std::vector<mlir::Value>;

constexpr char kDomain[] = "com.microsoft";

Status requireOperands(const OpView& op, std::initializer_list<int> operands) {
  for (int i : operands)
    if (!op.has(i)) return nodeError(op, "has no input " + std::to_string(i) + ", which is needed");
  return {};
}

// --- Activations. ----------------------------------------------------------------------------------------------------------------

Status inferBiased(const OpView& op, ResultShapes& results) {
  SW_RETURN_IF_ERROR(requireOperands(op, {0}));
  if (op.has(1)) return inferBroadcast(op, results);
  return allResults(op, op.operand(0), results);
}

mlir::Value biased(NodeBuilder& n) { return n.operand(1) ? n.add(n.operand(0), n.operand(1)) : n.operand(0); }

Values expandGelu(mlir::OpBuilder& builder, const OpView& op) {
  NodeBuilder n(builder, op);
  return {n.node("Gelu", {biased(n)})};
}

Values expandFastGelu(mlir::OpBuilder& builder, const OpView& op) {
  NodeBuilder n(builder, op);
  return {n.node("Gelu", {biased(n)}, {{"approximate", n.stringAttr("tanh")}})};
}

Values expandQuickGelu(mlir::OpBuilder& builder, const OpView& op) {
  NodeBuilder n(builder, op);
  return {n.node("Swish", {n.operand(0)}, {{"alpha", n.floatAttr(op.floatAttr("alpha", 1.702))}})};
}

// --- Normalisations. -------------------------------------------------------------------------------------------------------------

// Output, mean, inverse deviation, and the sum that was normalised. ONNX Runtime leaves the second and third undefined.
Status inferSkipNorm(const OpView& op, ResultShapes& results) {
  SW_RETURN_IF_ERROR(requireOperands(op, {0, 1, 2}));
  for (int i : {1, 2})
    if (i < op.numResults() && !op.operation()->getResult(i).use_empty())
      return nodeError(op, "has statistics that are read, which is not supported; export the model without them");
  SW_ASSIGN_OR_RETURN(const Exprs dims, broadcast(op, {op.dims(0), op.dims(1)}));
  return allResults(op, {op.dtype(0), dims}, results);
}

template <bool IsSimplified>
Values expandSkipNorm(mlir::OpBuilder& builder, const OpView& op) {
  NodeBuilder n(builder, op);
  const int bias = IsSimplified ? 3 : 4;
  mlir::Value sum = n.add(n.operand(0), n.operand(1));
  if (n.operand(bias)) sum = n.add(sum, n.operand(bias));
  const NodeBuilder::Attr attrs[] = {{"axis", n.intAttr(-1)}, {"epsilon", n.floatAttr(op.floatAttr("epsilon", 1e-12))}};
  mlir::Value y = IsSimplified ? n.node("RMSNormalization", {sum, n.operand(2)}, attrs)
                               : n.node("LayerNormalization", {sum, n.operand(2), n.operand(3)}, attrs);
  Values results = {y, {}, {}, sum};
  results.resize(op.numResults());
  return results;
}

enum Embed { kIds, kSegments, kWords, kPositions, kSegmentTable, kGamma, kBeta, kMask, kPositionIds };

Status inferEmbedLayerNorm(const OpView& op, ResultShapes& results) {
  SW_RETURN_IF_ERROR(requireOperands(op, {kIds, kWords, kPositions, kGamma, kBeta}));
  if (op.rank(kIds) != 2 || op.rank(kWords) != 2 || op.rank(kPositions) != 2)
    return nodeError(op, "needs ids and tables of rank 2");
  if (op.has(kSegments) != op.has(kSegmentTable)) return nodeError(op, "needs segment ids and their table, or neither");
  const Exprs ids = op.dims(kIds);
  const TensorShape y{op.dtype(kWords), {ids[0], ids[1], op.dims(kWords)[1]}};
  const TensorShape all[] = {y, {DType::kInt32, {ids[0]}}, y};
  results.assign(all, all + op.numResults());
  return {};
}

Values expandEmbedLayerNorm(mlir::OpBuilder& builder, const OpView& op) {
  NodeBuilder n(builder, op);
  const Exprs ids = op.dims(kIds);
  auto look = [&](int table, mlir::Value indices) {
    return n.node("Gather", {n.operand(table), indices}, {{"axis", n.intAttr(0)}});
  };
  mlir::Value positions = n.operand(kPositionIds);
  if (!positions) positions = n.node("Range", {n.expr(Expr(0)), n.expr(ids[1]), n.expr(Expr(1))});
  mlir::Value sum = n.add(look(kWords, n.operand(kIds)), look(kPositions, positions));
  if (op.has(kSegments)) sum = n.add(sum, look(kSegmentTable, n.operand(kSegments)));
  mlir::Value y = n.node("LayerNormalization", {sum, n.operand(kGamma), n.operand(kBeta)},
                         {{"axis", n.intAttr(-1)}, {"epsilon", n.floatAttr(op.floatAttr("epsilon", 1e-12))}});
  // How many tokens of each sequence are not padding.
  mlir::Value lengths = op.has(kMask) ? n.cast(n.reduce("ReduceSum", n.operand(kMask), {1}, false), DType::kInt32)
                                      : n.expand(n.scalar(0, DType::kInt32), {ids[0]});
  Values results = {y, lengths, sum};
  results.resize(op.numResults());
  return results;
}

// --- Products. -------------------------------------------------------------------------------------------------------------------

mlir::Value activated(NodeBuilder& n, mlir::Value x, const OpView& op, llvm::StringRef name,
                      llvm::ArrayRef<double> params) {
  auto param = [&](size_t i, double otherwise) { return i < params.size() ? params[i] : otherwise; };
  if (name.empty()) return x;
  if (name == "LeakyRelu") return n.node(name, {x}, {{"alpha", n.floatAttr(param(0, 0.01))}});
  if (name == "HardSigmoid")
    return n.node(name, {x}, {{"alpha", n.floatAttr(param(0, 0.2))}, {"beta", n.floatAttr(param(1, 0.5))}});
  if (name == "Clip") {
    const DType type = op.dtype(0);
    return n.node(name, {x, n.scalar(param(0, -3.4e38), type), n.scalar(param(1, 3.4e38), type)});
  }
  return n.node(name, {x});
}

Status checkActivation(const OpView& op) {
  const std::string name = op.stringAttr("activation", "");
  for (const char* known : {"", "Relu", "Tanh", "Sigmoid", "LeakyRelu", "HardSigmoid", "Clip", "Gelu"})
    if (name == known) return {};
  return nodeError(
      op, "has the activation " + name + "; known are Relu, Tanh, Sigmoid, LeakyRelu, HardSigmoid, Clip and Gelu");
}

std::vector<double> activationParams(const OpView& op) {
  auto attr = op.operation()->getAttrOfType<mlir::DenseF32ArrayAttr>("activation_params");
  if (!attr) return {};
  return {attr.asArrayRef().begin(), attr.asArrayRef().end()};
}

bool swaps(const OpView& op, int operand) {
  return op.intAttr(operand == 0 ? "transA" : "transB", 0) && op.rank(operand) > 1;
}

Exprs matrixDims(const OpView& op, int operand) {
  Exprs dims = op.dims(operand);
  if (swaps(op, operand)) std::swap(dims[dims.size() - 1], dims[dims.size() - 2]);
  return dims;
}

Status inferFusedMatMul(const OpView& op, ResultShapes& results) {
  if (op.intAttr("transBatchA", 0) || op.intAttr("transBatchB", 0))
    return nodeError(op, "swaps batch dims (transBatchA, transBatchB), which is not supported");
  const Exprs a = matrixDims(op, 0), b = matrixDims(op, 1);
  if (a.size() < 2 || b.size() < 2) return nodeError(op, "needs operands of rank 2 or more");
  SW_RETURN_IF_ERROR(requireEqual(op, a.back(), b[b.size() - 2], "the contracted sizes"));
  SW_ASSIGN_OR_RETURN(Exprs dims, broadcast(op, {Exprs(a.begin(), a.end() - 2), Exprs(b.begin(), b.end() - 2)}));
  dims.append({a[a.size() - 2], b.back()});
  return allResults(op, {op.dtype(0), dims}, results);
}

Values expandFusedMatMul(mlir::OpBuilder& builder, const OpView& op) {
  NodeBuilder n(builder, op);
  auto matrix = [&](int i) {
    if (!swaps(op, i)) return n.operand(i);
    llvm::SmallVector<int64_t> permutation;
    for (int d = 0; d < op.rank(i); ++d) permutation.push_back(d);
    std::swap(permutation[permutation.size() - 1], permutation[permutation.size() - 2]);
    return n.transpose(n.operand(i), permutation);
  };
  mlir::Value y = n.node("MatMul", {matrix(0), matrix(1)});
  const double alpha = op.floatAttr("alpha", 1);
  return {alpha == 1 ? y : n.mul(y, alpha)};
}

// Attributes of the ONNX op that the fused one holds.
llvm::SmallVector<NodeBuilder::Attr> attrsOf(const OpView& op, std::initializer_list<llvm::StringRef> names) {
  llvm::SmallVector<NodeBuilder::Attr> attrs;
  for (llvm::StringRef name : names)
    if (mlir::Attribute attr = op.operation()->getAttr(name)) attrs.push_back({name, attr});
  return attrs;
}

template <const char* const& Name>
Status inferFused(const OpView& op, ResultShapes& results) {
  SW_RETURN_IF_ERROR(checkActivation(op));
  SW_RETURN_IF_ERROR(requireOperands(op, {0, 1}));
  return findRow("", Name)->infer(op, results);
}

const char* const kGemm = "Gemm";
const char* const kConv = "Conv";

Values expandFusedGemm(mlir::OpBuilder& builder, const OpView& op) {
  NodeBuilder n(builder, op);
  mlir::Value y =
      n.node(kGemm, {n.operand(0), n.operand(1), n.operand(2)}, attrsOf(op, {"alpha", "beta", "transA", "transB"}));
  const std::vector<double> params = {op.floatAttr("activation_alpha", 0.01), op.floatAttr("activation_beta", 0.5)};
  return {activated(n, y, op, op.stringAttr("activation", ""), params)};
}

// Input 3 is added before the activation.
Values expandFusedConv(mlir::OpBuilder& builder, const OpView& op) {
  NodeBuilder n(builder, op);
  mlir::Value y = n.node(kConv, {n.operand(0), n.operand(1), n.operand(2)},
                         attrsOf(op, {"auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"}));
  if (n.operand(3)) y = n.add(y, n.operand(3));
  return {activated(n, y, op, op.stringAttr("activation", ""), activationParams(op))};
}

}  // namespace

llvm::ArrayRef<Row> contribRows() {
  static const std::vector<Row> kRows = {
      expandedOnImport("Gelu", inferBiased, expandGelu, kDomain),
      expandedOnImport("BiasGelu", inferBiased, expandGelu, kDomain),
      expandedOnImport("FastGelu", inferBiased, expandFastGelu, kDomain),
      expandedOnImport("QuickGelu", inferBiased, expandQuickGelu, kDomain),
      expandedOnImport("SkipLayerNormalization", inferSkipNorm, expandSkipNorm<false>, kDomain),
      expandedOnImport("SkipSimplifiedLayerNormalization", inferSkipNorm, expandSkipNorm<true>, kDomain),
      expandedOnImport("EmbedLayerNormalization", inferEmbedLayerNorm, expandEmbedLayerNorm, kDomain),
      expandedOnImport("FusedMatMul", inferFusedMatMul, expandFusedMatMul, kDomain),
      expandedOnImport("FusedGemm", inferFused<kGemm>, expandFusedGemm, kDomain),
      expandedOnImport("FusedConv", inferFused<kConv>, expandFusedConv, kDomain),
  };
  return kRows;
}

}  // namespace shardwright
