// Rows of reductions. Those whose last step is not linear (ReduceL2, ReduceLogSum, …) are written on import as a plain
// reduction and the step, so that a split reduced dim leaves a partial value before the step.
#include "compiler/ops/axes.h"
#include "compiler/ops/dim_names.h"
#include "compiler/ops/families.h"
#include "compiler/ops/node_builder.h"
#include "compiler/ops/shape_functions.h"

namespace shardwright {
namespace {

bool keepDims(const OpView& op) { return op.intAttr("keepdims", 1) != 0; }

std::vector<int> axesOf(const OpView& op) {
  const StatusOr<std::vector<int>> axes = reducedAxes(op);
  return axes.ok() ? *axes : std::vector<int>();
}

Status inferReduction(const OpView& op, ResultShapes& results) {
  SW_ASSIGN_OR_RETURN(const std::vector<int> axes, reducedAxes(op));
  return allResults(op, {op.dtype(0), reducedDims(op.dims(0), axes, keepDims(op))}, results);
}

template <const char* const& Combiner>
std::string reductionRule(const OpView& op) {
  const ReductionNames names = reductionNames(op.dims(0), axesOf(op), keepDims(op), "", Combiner);
  return names.operand + sizesOperands(op, 1) + " ->" + names.result;
}

const char* const kSum = "";
const char* const kMax = ":max";
const char* const kMin = ":min";
const char* const kProd = ":prod";

// Before opset 18 the axes of all reductions but ReduceSum were an attribute.
Status upgradeAxes(mlir::Operation* op, int, mlir::OpBuilder& builder) {
  auto axes = op->getAttrOfType<mlir::DenseI64ArrayAttr>("axes");
  if (!axes) return Status();
  op->removeAttr("axes");
  mlir::OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPoint(op);
  Facts facts;
  NodeBuilder n(builder, OpView(op, facts));
  op->insertOperands(op->getNumOperands(), n.ints(axes.asArrayRef()));
  return Status();
}

std::optional<Exprs> reducedValue(const OpView& op, Expr (*combine)(Expr, Expr)) {
  const std::optional<Exprs> value = op.value(0);
  if (!value || value->empty() || op.rank(0) != 1 || axesOf(op).empty()) return std::nullopt;
  Expr all = value->front();
  for (size_t i = 1; i < value->size(); ++i) all = combine(all, (*value)[i]);
  return Exprs{op.facts().simplify(all)};
}
std::optional<Exprs> sumValue(const OpView& op) {
  return reducedValue(op, [](Expr a, Expr b) { return a + b; });
}
std::optional<Exprs> prodValue(const OpView& op) {
  return reducedValue(op, [](Expr a, Expr b) { return a * b; });
}
std::optional<Exprs> maxValue(const OpView& op) { return reducedValue(op, &Expr::max); }
std::optional<Exprs> minValue(const OpView& op) { return reducedValue(op, &Expr::min); }

// float16 and bfloat16 are reduced in float32.
int wide(BodyBuilder& b, int x) { return b.cast(x, accumulationType(b.dtypeOf(x))); }
int absolute(BodyBuilder& b, int x) { return b.unary(ScalarOp::kAbs, wide(b, x)); }
int square(BodyBuilder& b, int x) {
  const int value = wide(b, x);
  return b.binary(ScalarOp::kMul, value, value);
}
int overCount(BodyBuilder& b, int reduced, int count) {
  return b.binary(ScalarOp::kDiv, reduced, b.cast(count, b.dtypeOf(reduced)));
}

mlir::Value reduceLike(NodeBuilder& n, const OpView& op, llvm::StringRef name, mlir::Value x, bool keep);

// Without any axis only the map is left, and bool is reduced as uint8; else the op stays.
template <const char* const& Map>
std::vector<mlir::Value> expandSpecialCases(mlir::OpBuilder& builder, const OpView& op) {
  NodeBuilder n(builder, op);
  mlir::Value x = n.operand(0);
  if (axesOf(op).empty()) {
    const std::string map = Map;
    return {map == "Mul" ? n.mul(x, x) : n.node(map, {x})};
  }
  if (op.dtype(0) != DType::kBool) return {};
  const llvm::StringRef name = op.operation()->getName().stripDialect();
  return {n.cast(reduceLike(n, op, name, n.cast(x, DType::kUint8), keepDims(op)), DType::kBool)};
}

const char* const kIdentity = "Identity";
const char* const kAbs = "Abs";
const char* const kSquare = "Mul";

template <const char* const& Combiner = kSum, const char* const& Map = kIdentity>
Row reduction(const char* name, ReduceBody body, std::optional<Exprs> (*value)(const OpView&) = nullptr) {
  Row row;
  row.name = name;
  row.ruleFor = reductionRule<Combiner>;
  row.infer = inferReduction;
  row.inferValue = value;
  row.staticOperands = 0b10;
  row.flopsPerPoint = 1;
  body.axes = axesOf;
  row.lowering = body;
  row.decomposition = ExpandBody{expandSpecialCases<Map>};
  row.expandOnImport = true;
  row.upgrade = upgradeAxes;
  return row;
}

Row linear(Row row) {
  row.linearIn = 1;
  return row;
}

// --- Reductions with a last step. ------------------------------------------------------------------------------------------------

mlir::Value reduceLike(NodeBuilder& n, const OpView& op, llvm::StringRef name, mlir::Value x, bool keep) {
  const std::vector<int> axes = axesOf(op);
  return n.node(name, {x, n.ints(std::vector<int64_t>(axes.begin(), axes.end()))},
                {{"keepdims", n.intAttr(keep)}, {"noop_with_empty_axes", n.intAttr(axes.empty())}});
}

std::vector<mlir::Value> expandL2(mlir::OpBuilder& builder, const OpView& op) {
  NodeBuilder n(builder, op);
  return {n.node("Sqrt", {reduceLike(n, op, "ReduceSumSquare", n.operand(0), keepDims(op))})};
}

std::vector<mlir::Value> expandLogSum(mlir::OpBuilder& builder, const OpView& op) {
  NodeBuilder n(builder, op);
  return {n.node("Log", {reduceLike(n, op, "ReduceSum", n.operand(0), keepDims(op))})};
}

// max + log(sum(exp(x - max))): no overflow. The largest element is kept finite, so that a row of -inf gives -inf.
std::vector<mlir::Value> expandLogSumExp(mlir::OpBuilder& builder, const OpView& op) {
  NodeBuilder n(builder, op);
  const DType type = op.dtype(0), computed = accumulationType(type);
  mlir::Value x = n.cast(n.operand(0), computed);
  mlir::Value largest = reduceLike(n, op, "ReduceMax", x, true);
  largest = n.node("Where", {n.node("IsInf", {largest}), n.scalar(0, computed), largest});
  mlir::Value sum = reduceLike(n, op, "ReduceSum", n.node("Exp", {n.sub(x, largest)}), true);
  mlir::Value y = n.add(n.node("Log", {sum}), largest);
  if (!keepDims(op)) {
    const std::vector<int> axes = axesOf(op);
    if (!axes.empty()) y = n.node("Squeeze", {y, n.ints(std::vector<int64_t>(axes.begin(), axes.end()))});
  }
  return {n.cast(y, type)};
}

Row composite(const char* name, std::vector<mlir::Value> (*expand)(mlir::OpBuilder&, const OpView&)) {
  Row row = reduction(name, {Reduction::Kind::kSum, nullptr, nullptr, nullptr});
  row.ruleFor = nullptr;
  row.lowering = ExpandBody{expand};
  row.decomposition = {};
  return row;
}

}  // namespace

llvm::ArrayRef<Row> reductionRows() {
  using Kind = Reduction::Kind;
  static const std::vector<Row> kRows = {
      linear(reduction("ReduceSum", {Kind::kSum, wide, nullptr, nullptr}, sumValue)),
      linear(reduction("ReduceMean", {Reduction::Kind::kSum, wide, overCount, nullptr})),
      reduction<kMax>("ReduceMax", {Kind::kMax, nullptr, nullptr, nullptr}, maxValue),
      reduction<kMin>("ReduceMin", {Kind::kMin, nullptr, nullptr, nullptr}, minValue),
      reduction<kProd>("ReduceProd", {Kind::kProd, wide, nullptr, nullptr}, prodValue),
      reduction<kSum, kAbs>("ReduceL1", {Kind::kSum, absolute, nullptr, nullptr}),
      reduction<kSum, kSquare>("ReduceSumSquare", {Kind::kSum, square, nullptr, nullptr}),
      composite("ReduceL2", expandL2),
      composite("ReduceLogSum", expandLogSum),
      composite("ReduceLogSumExp", expandLogSumExp),
  };
  return kRows;
}

}  // namespace shardwright
