// Rows of ops that make tensors from sizes: Shape, Size, ConstantOfShape, Range, EyeLike, Trilu, OneHot.
#include "compiler/onnx/onnx_dialect.h"
#include "compiler/ops/dim_names.h"
#include "compiler/ops/expansion.h"
#include "compiler/ops/families.h"
#include "compiler/ops/index_offset.h"
#include "compiler/ops/node_builder.h"
#include "compiler/ops/shape_functions.h"

#include <cmath>

namespace shardwright {
namespace {

// Longer contents are no shape computation.
constexpr int64_t kMaxValueElements = 64;

// --- Shape and Size: their value is always known, so that import leaves none. -------------------------------------------------

std::pair<int, int> shapeRange(const OpView& op) {
  const int64_t rank = op.rank(0);
  auto clamped = [&](int64_t axis) { return std::min(std::max<int64_t>(axis < 0 ? axis + rank : axis, 0), rank); };
  const int64_t start = clamped(op.intAttr("start", 0)), end = clamped(op.intAttr("end", rank));
  return {static_cast<int>(start), static_cast<int>(std::max(start, end))};
}

Status inferShape(const OpView& op, ResultShapes& results) {
  const auto [start, end] = shapeRange(op);
  return allResults(op, {DType::kInt64, {Expr(end - start)}}, results);
}

std::optional<Exprs> shapeValue(const OpView& op) {
  const auto [start, end] = shapeRange(op);
  const Exprs dims = op.dims(0);
  return Exprs(dims.begin() + start, dims.begin() + end);
}

Status inferSize(const OpView& op, ResultShapes& results) { return allResults(op, {DType::kInt64, {}}, results); }

std::optional<Exprs> sizeValue(const OpView& op) {
  const Exprs dims = op.dims(0);
  return Exprs{product({dims.begin(), dims.end()})};
}

Row known(const char* name, Status (*infer)(const OpView&, ResultShapes&),
          std::optional<Exprs> (*value)(const OpView&)) {
  Row row;
  row.name = name;
  row.infer = infer;
  row.inferValue = value;
  return row;
}

// --- ConstantOfShape. ----------------------------------------------------------------------------------------------------------

mlir::DenseElementsAttr fillAttr(const OpView& op) {
  return op.operation()->getAttrOfType<mlir::DenseElementsAttr>("value");
}

Status inferConstantOfShape(const OpView& op, ResultShapes& results) {
  const std::optional<Exprs> dims = op.value(0);
  if (!dims) return nodeError(op, "makes a tensor whose sizes depend on data; only sizes of inputs are supported");
  const mlir::DenseElementsAttr fill = fillAttr(op);
  return allResults(op, {fill ? dtypeOf(fill.getElementType()) : DType::kFloat32, *dims}, results);
}

std::optional<Exprs> constantOfShapeValue(const OpView& op) {
  const std::optional<std::vector<int64_t>> dims = op.constantInts(0);
  const mlir::DenseElementsAttr fill = fillAttr(op);
  if (!dims || !fill || !fill.getElementType().isSignlessInteger() || dims->size() > 1) return std::nullopt;
  const int64_t count = dims->empty() ? 1 : dims->front();
  if (count > kMaxValueElements) return std::nullopt;
  return Exprs(count, Expr(fill.getSplatValue<llvm::APInt>().getSExtValue()));
}

std::string constantOfShapeRule(const OpView& op) {
  return std::string(op.has(0) ? "!sizes" : "-") + " -> " + dimNames("d", op.result(0).dims.size());
}

std::vector<int> constantOfShapeBody(BodyBuilder& b, const OpView& op, const std::vector<int>&) {
  const DType dtype = op.result(0).dtype;
  const mlir::DenseElementsAttr fill = fillAttr(op);
  if (!fill) return {b.constant(0, dtype)};
  if (mlir::isa<mlir::FloatType>(fill.getElementType())) {
    llvm::APFloat value = fill.getSplatValue<llvm::APFloat>();
    bool losesInfo = false;
    value.convert(llvm::APFloat::IEEEdouble(), llvm::APFloat::rmNearestTiesToEven, &losesInfo);
    return {b.constant(value.convertToDouble(), dtype)};
  }
  const llvm::APInt value = fill.getSplatValue<llvm::APInt>();
  return {b.constant(dtype == DType::kBool ? !value.isZero() : static_cast<double>(value.getSExtValue()), dtype)};
}

Row constantOfShape() {
  Row row;
  row.name = "ConstantOfShape";
  row.ruleFor = constantOfShapeRule;
  row.infer = inferConstantOfShape;
  row.inferValue = constantOfShapeValue;
  row.staticOperands = 0b1;
  row.lowering = ScalarBody{constantOfShapeBody};
  return row;
}

// --- Range. --------------------------------------------------------------------------------------------------------------------

// max(ceil((limit - start) / delta), 0), for a delta whose sign is known.
StatusOr<Expr> rangeExtent(const OpView& op) {
  if (isFloat(op.result(0).dtype) || (op.has(0) && isFloat(op.dtype(0)))) {
    const auto start = op.constantScalar(0), limit = op.constantScalar(1), delta = op.constantScalar(2);
    if (!start || !limit || !delta || *delta == 0)
      return nodeError(op, "is a range of floats whose ends depend on data; only constant ones are supported");
    return Expr(static_cast<int64_t>(std::max(std::ceil((*limit - *start) / *delta), 0.0)));
  }
  const std::optional<Exprs> start = op.value(0), limit = op.value(1);
  const std::optional<std::vector<int64_t>> delta = op.constantInts(2);
  if (!start || !limit || !delta || delta->front() == 0)
    return nodeError(op, "is a range whose ends depend on data, or whose step is not a constant");
  const int64_t step = delta->front();
  const Expr length = step > 0 ? limit->front() - start->front() : start->front() - limit->front();
  return op.facts().simplify(Expr::max(Expr::ceilDiv(length, Expr(std::abs(step))), Expr(0)));
}

Status inferRange(const OpView& op, ResultShapes& results) {
  SW_ASSIGN_OR_RETURN(Expr extent, rangeExtent(op));
  DType dtype = op.result(0).dtype;  // known already once the operands are folded
  if (op.has(0)) dtype = op.dtype(0);
  return allResults(op, {dtype, {extent}}, results);
}

std::optional<Exprs> rangeValue(const OpView& op) {
  const StatusOr<Expr> extent = rangeExtent(op);
  const std::optional<Exprs> start = op.value(0), delta = op.value(2);
  if (!extent.ok() || !start || !delta || !extent->constant() || *extent->constant() > kMaxValueElements)
    return std::nullopt;
  Exprs values;
  for (int64_t i = 0; i < *extent->constant(); ++i) values.push_back(start->front() + Expr(i) * delta->front());
  return values;
}

std::string rangeRule(const OpView& op) {
  std::string rule;
  for (int i = 0; i < 3; ++i) rule += std::string(i ? ", " : "") + (op.has(i) ? "" : "-");
  return rule + " -> i";
}

bool rangeAdmits(const OpView&, const Rule& rule, const Strategy& strategy) {
  const int factor = factorOf(rule.results[0], 0);
  return factor < 0 || isContiguous(strategy, factor);
}

Row::LocalAttrs localizeRange(const OpView& op, const Rule& rule, const Strategy& strategy, const Mesh& mesh) {
  const int factor = factorOf(rule.results[0], 0);
  if (factor < 0 || strategy.splits[factor].empty()) return {};
  return {{{"offset", exprsAttr(op.operation()->getContext(), {beginOf(rule, strategy, factor, mesh)})}}};
}

KernelCall rangeCall(const OpView& op) {
  KernelCall call;
  call.kernel = "range";
  auto attr = [&](int operand) -> SymbolicAttr {
    if (isFloat(op.result(0).dtype)) return op.constantScalar(operand).value_or(0);
    const Expr value = op.value(operand)->front();
    if (value.isConstant()) return *value.constant();
    return value;
  };
  call.attrs = {{"start", attr(0)}, {"step", attr(2)}};
  if (mlir::Attribute offset = op.operation()->getAttr("offset")) call.attrs.push_back({"offset", exprsOf(offset)[0]});
  return call;
}

Row range() {
  Row row;
  row.name = "Range";
  row.ruleFor = rangeRule;
  row.infer = inferRange;
  row.inferValue = rangeValue;
  row.staticOperands = 0b111;
  row.admits = rangeAdmits;
  row.localize = localizeRange;
  row.lowering = KernelBody{rangeCall};
  return row;
}

// --- EyeLike, Trilu and OneHot compare indices, which are Ranges: a split of them needs nothing of its own. -------------------

mlir::Value indices(NodeBuilder& n, Expr extent, int64_t axisFromEnd) {
  mlir::Value range = n.node("Range", {n.expr(Expr(0)), n.expr(extent), n.expr(Expr(1))});
  return axisFromEnd == 0 ? range : n.node("Unsqueeze", {range, n.ints({1})});
}

Status inferEyeLike(const OpView& op, ResultShapes& results) {
  if (op.rank(0) != 2) return nodeError(op, "needs a matrix, and has rank " + std::to_string(op.rank(0)));
  return allResults(op, {static_cast<DType>(op.intAttr("dtype", static_cast<int64_t>(op.dtype(0)))), op.dims(0)},
                    results);
}

std::vector<mlir::Value> expandEyeLike(mlir::OpBuilder& builder, const OpView& op) {
  NodeBuilder n(builder, op);
  const Exprs dims = op.dims(0);
  mlir::Value rows = indices(n, dims[0], 1), columns = indices(n, dims[1], 0);
  mlir::Value diagonal = n.add(rows, n.expr(Expr(op.intAttr("k", 0))));
  return {n.cast(n.node("Equal", {diagonal, columns}), op.result(0).dtype)};
}

Status inferTrilu(const OpView& op, ResultShapes& results) {
  if (op.rank(0) < 2) return nodeError(op, "needs rank 2 or more, and has rank " + std::to_string(op.rank(0)));
  return allResults(op, op.operand(0), results);
}

std::vector<mlir::Value> expandTrilu(mlir::OpBuilder& builder, const OpView& op) {
  NodeBuilder n(builder, op);
  const Exprs dims = op.dims(0);
  mlir::Value rows = indices(n, dims[dims.size() - 2], 1), columns = indices(n, dims.back(), 0);
  const std::optional<Exprs> k = op.value(1);
  mlir::Value diagonal = rows;
  if (k && k->front() != Expr(0)) diagonal = n.add(rows, n.expr(k->front()));
  if (!k && op.has(1)) diagonal = n.add(rows, n.operand(1));
  mlir::Value isKept = n.node(op.intAttr("upper", 1) ? "GreaterOrEqual" : "LessOrEqual", {columns, diagonal});
  return {n.node("Where", {isKept, n.operand(0), n.scalar(0, op.dtype(0))})};
}

Row trilu() {
  Row row = expandedOnImport("Trilu", inferTrilu, expandTrilu);
  row.staticOperands = 0b10;
  return row;
}

StatusOr<Expr> depthOf(const OpView& op) {
  if (const std::optional<Exprs> depth = op.value(1)) return depth->front();
  if (const std::optional<double> depth = op.constantScalar(1)) return Expr(static_cast<int64_t>(*depth));
  return nodeError(op, "has a depth that depends on data; it must be a constant or a size");
}

Status inferOneHot(const OpView& op, ResultShapes& results) {
  SW_ASSIGN_OR_RETURN(Expr depth, depthOf(op));
  Exprs dims = op.dims(0);
  SW_ASSIGN_OR_RETURN(int axis, normalizedAxis(op, op.intAttr("axis", -1), op.rank(0) + 1));
  dims.insert(dims.begin() + axis, depth);
  return allResults(op, {op.dtype(2), dims}, results);
}

// A negative index counts from the end, one outside of the depth is nowhere.
std::vector<mlir::Value> expandOneHot(mlir::OpBuilder& builder, const OpView& op) {
  NodeBuilder n(builder, op);
  const Exprs dims = op.result(0).dims;
  const int axis = op.axisAttr("axis", -1, op.rank(0) + 1);
  const Expr depth = *depthOf(op);
  mlir::Value index = n.cast(n.operand(0), DType::kInt64);
  mlir::Value isNegative = n.node("Less", {index, n.expr(Expr(0))});
  index = n.node("Where", {isNegative, n.add(index, n.expr(depth)), index});
  index = n.node("Unsqueeze", {index, n.ints({axis})});
  Exprs along(dims.size(), Expr(1));
  along[axis] = depth;
  mlir::Value isHot = n.node("Equal", {index, n.reshape(indices(n, depth, 0), along)});
  auto value = [&](int64_t i) {
    return n.node("Squeeze", {n.slice(n.operand(2), 0, Expr(i), Expr(i + 1)), n.ints({0})});
  };
  return {n.node("Where", {isHot, value(1), value(0)})};
}

Row oneHot() {
  Row row = expandedOnImport("OneHot", inferOneHot, expandOneHot);
  row.staticOperands = 0b10;
  return row;
}

}  // namespace

llvm::ArrayRef<Row> generatorRows() {
  static const std::vector<Row> kRows = {
      known("Shape", inferShape, shapeValue),
      known("Size", inferSize, sizeValue),
      constantOfShape(),
      range(),
      expandedOnImport("EyeLike", inferEyeLike, expandEyeLike),
      trilu(),
      oneHot(),
  };
  return kRows;
}

}  // namespace shardwright
