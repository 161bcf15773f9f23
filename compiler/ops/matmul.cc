// Rows of matrix products: MatMul, and what import turns into it: Gemm, and products of quantised values.
#include "compiler/ops/expansion.h"
#include "compiler/ops/families.h"
#include "compiler/ops/node_builder.h"
#include "compiler/ops/shape_functions.h"

namespace shardwright {
namespace {

// A vector on the left has no dim i, one on the right no dim j.
std::string matmulRule(const OpView& op) {
  const bool hasRows = op.rank(0) > 1, hasColumns = op.rank(1) > 1;
  const std::string a = hasRows ? "... i k" : "k", b = hasColumns ? "... k j" : "k";
  const std::string batch = hasRows || hasColumns ? "..." : "";
  return a + ", " + b + " -> " + batch + (hasRows ? " i" : "") + (hasColumns ? " j" : "");
}

StatusOr<Exprs> productDims(const OpView& op, int left, int right) {
  const Exprs a = op.dims(left), b = op.dims(right);
  if (a.empty() || b.empty())
    return nodeError(op, "multiplies " + str(a) + " by " + str(b) + "; neither may be a scalar");
  const Expr k = b.size() > 1 ? b[b.size() - 2] : b[0];
  SW_RETURN_IF_ERROR(requireEqual(op, a.back(), k, "the sizes of the left's rows and of the right's columns"));
  const Exprs batchA(a.begin(), a.end() - std::min<size_t>(a.size(), 2));
  const Exprs batchB(b.begin(), b.end() - std::min<size_t>(b.size(), 2));
  SW_ASSIGN_OR_RETURN(Exprs dims, broadcast(op, {batchA, batchB}));
  if (a.size() > 1) dims.push_back(a[a.size() - 2]);
  if (b.size() > 1) dims.push_back(b.back());
  return dims;
}

Status inferMatmul(const OpView& op, ResultShapes& results) {
  SW_ASSIGN_OR_RETURN(const Exprs dims, productDims(op, 0, 1));
  return allResults(op, {op.dtype(0), dims}, results);
}

// The view with a dim of size 1 at `fromEnd` dims before its end.
std::function<SymbolicView(const SymbolicView&)> insertedDim(int fromEnd) {
  return [fromEnd](const SymbolicView& view) {
    SymbolicView wider = view;
    wider.dims.insert(wider.dims.end() - fromEnd, Expr(1));
    wider.strides.insert(wider.strides.end() - fromEnd, Expr(0));
    return wider;
  };
}

KernelCall matmulCall(const OpView& op) {
  KernelCall call;
  call.kernel = "matmul";
  call.operands = {0, 1};
  call.operandViews.resize(2);
  call.resultViews.resize(1);
  const bool isRow = op.rank(0) == 1, isColumn = op.rank(1) == 1;
  if (isRow) call.operandViews[0] = insertedDim(1);
  if (isColumn) call.operandViews[1] = insertedDim(0);
  if (isRow && isColumn) {
    call.resultViews[0] = [](const SymbolicView& view) {
      return SymbolicView{view.offset, {Expr(1), Expr(1)}, {Expr(0), Expr(0)}};
    };
  } else if (isRow || isColumn) {
    call.resultViews[0] = insertedDim(isRow ? 1 : 0);
  }
  call.takesPostOps = !isRow && !isColumn && accumulationType(op.result(0).dtype) == DType::kFloat32;
  return call;
}

Row matmul() {
  Row row;
  row.name = "MatMul";
  row.ruleFor = matmulRule;
  row.infer = inferMatmul;
  row.linearIn = 0b11;
  row.flopsPerPoint = 2;
  row.lowering = KernelBody{matmulCall};
  return row;
}

Status inferGemm(const OpView& op, ResultShapes& results) {
  if (op.rank(0) != 2 || op.rank(1) != 2)
    return nodeError(
        op, "needs matrices, and has ranks " + std::to_string(op.rank(0)) + " and " + std::to_string(op.rank(1)));
  const bool transA = op.intAttr("transA", 0), transB = op.intAttr("transB", 0);
  const Exprs a = op.dims(0), b = op.dims(1);
  SW_RETURN_IF_ERROR(requireEqual(op, a[transA ? 0 : 1], b[transB ? 1 : 0],
                                  "the sizes of the left's rows and of the right's columns"));
  return allResults(op, {op.dtype(0), {a[transA ? 1 : 0], b[transB ? 0 : 1]}}, results);
}

// C comes once, after the sum over k: with C, a split of k needs the expansion.
std::string gemmRule(const OpView& op) {
  const std::string k = op.has(2) ? "@k" : "k";
  std::string rule = op.intAttr("transA", 0) ? k + " i, " : "i " + k + ", ";
  rule += op.intAttr("transB", 0) ? "j k" : "k j";
  if (op.has(2)) {
    rule += ",";
    const Exprs c = op.dims(2);
    for (size_t i = 0; i < c.size(); ++i) rule += c[i] == Expr(1) ? " 1" : i + 1 == c.size() ? " j" : " i";
  }
  return rule + " -> i j";
}

std::vector<mlir::Value> expandGemm(mlir::OpBuilder& builder, const OpView& op) {
  NodeBuilder n(builder, op);
  mlir::Value a = n.operand(0), b = n.operand(1), c = n.operand(2);
  if (op.intAttr("transA", 0)) a = n.transpose(a, {1, 0});
  if (op.intAttr("transB", 0)) b = n.transpose(b, {1, 0});
  mlir::Value y = n.node("MatMul", {a, b});
  if (const double alpha = op.floatAttr("alpha", 1); alpha != 1) y = n.mul(y, alpha);
  if (!c) return {y};
  if (const double beta = op.floatAttr("beta", 1); beta != 1) c = n.mul(c, beta);
  return {n.add(y, c)};
}

Row gemm() {
  Row row;
  row.name = "Gemm";
  row.ruleFor = gemmRule;
  row.infer = inferGemm;
  row.flopsPerPoint = 2;
  row.lowering = ExpandBody{expandGemm};
  row.expandOnImport = true;
  return row;
}

// --- MatMulInteger and QLinearMatMul. ------------------------------------------------------------------------------------------

Status inferMatMulInteger(const OpView& op, ResultShapes& results) {
  SW_ASSIGN_OR_RETURN(const Exprs dims, productDims(op, 0, 1));
  return allResults(op, {DType::kInt32, dims}, results);
}

// A zero point per row of the left stands beside its row, one per column of the right above its column.
std::vector<mlir::Value> expandMatMulInteger(mlir::OpBuilder& builder, const OpView& op) {
  NodeBuilder n(builder, op);
  mlir::Value a = n.withoutZeroPoint(n.operand(0), n.operand(2), std::max(op.rank(0) - 2, 0), DType::kInt32);
  mlir::Value b = n.withoutZeroPoint(n.operand(1), n.operand(3), op.rank(1) - 1, DType::kInt32);
  return {n.node("MatMul", {a, b})};
}

enum QLinear { kA, kScaleA, kZeroA, kB, kScaleB, kZeroB, kScaleY, kZeroY };

Status inferQLinearMatMul(const OpView& op, ResultShapes& results) {
  SW_ASSIGN_OR_RETURN(const Exprs dims, productDims(op, kA, kB));
  return allResults(op, {op.dtype(kZeroY), dims}, results);
}

// Scales of the left and of the result are by row, those of the right by column, where they are not one number.
std::vector<mlir::Value> expandQLinearMatMul(mlir::OpBuilder& builder, const OpView& op) {
  NodeBuilder n(builder, op);
  const auto along = [&](int64_t axis) { return NodeBuilder::Attr{"axis", n.intAttr(axis)}; };
  mlir::Value a = n.node("DequantizeLinear", {n.operand(kA), n.operand(kScaleA), n.operand(kZeroA)}, along(-2));
  mlir::Value b = n.node("DequantizeLinear", {n.operand(kB), n.operand(kScaleB), n.operand(kZeroB)}, along(-1));
  mlir::Value y = n.node("MatMul", {a, b});
  return {n.node("QuantizeLinear", {y, n.operand(kScaleY), n.operand(kZeroY)}, along(-2))};
}

}  // namespace

llvm::ArrayRef<Row> matmulRows() {
  static const std::vector<Row> kRows = {
      matmul(),
      gemm(),
      expandedOnImport("MatMulInteger", inferMatMulInteger, expandMatMulInteger),
      expandedOnImport("QLinearMatMul", inferQLinearMatMul, expandQLinearMatMul),
  };
  return kRows;
}

}  // namespace shardwright
