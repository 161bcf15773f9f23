// Rows of ops that read or write by index: Gather, GatherElements, GatherND, ScatterElements, ScatterND.
#include "compiler/ops/dim_names.h"
#include "compiler/ops/families.h"
#include "compiler/ops/index_offset.h"
#include "compiler/ops/node_builder.h"
#include "compiler/ops/shape_functions.h"

namespace shardwright {
namespace {

// --- Gather. -------------------------------------------------------------------------------------------------------------------

Status inferGather(const OpView& op, ResultShapes& results) {
  const Exprs data = op.dims(0), indices = op.dims(1);
  SW_ASSIGN_OR_RETURN(const int axis, normalizedAxis(op, op.intAttr("axis", 0), op.rank(0)));
  Exprs dims(data.begin(), data.begin() + axis);
  dims.append(indices.begin(), indices.end());
  dims.append(data.begin() + axis + 1, data.end());
  return allResults(op, {op.dtype(0), dims}, results);
}

std::optional<Exprs> gatherValue(const OpView& op) {
  const std::optional<Exprs> data = op.value(0);
  const std::optional<std::vector<int64_t>> indices = op.constantInts(1);
  if (!data || !indices || op.rank(0) != 1 || op.rank(1) > 1) return std::nullopt;
  Exprs taken;
  for (int64_t index : *indices) {
    const int64_t at = index < 0 ? index + static_cast<int64_t>(data->size()) : index;
    if (at < 0 || at >= static_cast<int64_t>(data->size())) return std::nullopt;
    taken.push_back((*data)[at]);
  }
  return taken;
}

// "p0 v q0, i0 i1 -> p0 i0 i1 q0". v is summed: a rank gives zeros for rows that it does not hold. What cannot be summed (bool)
// stays whole.
std::string gatherRule(const OpView& op) {
  const int axis = op.axisAttr("axis", 0, op.rank(0));
  const bool isNumber = isFloat(op.dtype(0)) || isInteger(op.dtype(0));
  std::string before, behind;
  for (int i = 0; i < op.rank(0); ++i)
    if (i != axis) (i < axis ? before : behind) += " d" + std::to_string(i);
  const std::string v = op.dims(0)[axis] == Expr(1) ? " 1" : isNumber ? " v" : " !v";
  const std::string indices = dimNames("i", op.rank(1));
  return before + v + behind + ", " + indices + " -> " + before + " " + indices + " " + behind;
}

int tableFactor(const OpView& op, const Rule& rule) {
  return factorOf(rule.operands[0], op.axisAttr("axis", 0, op.rank(0)));
}

bool gatherAdmits(const OpView& op, const Rule& rule, const Strategy& strategy) {
  const int factor = tableFactor(op, rule);
  return factor < 0 || isContiguous(strategy, factor);
}

// Indices are global; this rank's rows begin at "offset" of "extent".
Row::LocalAttrs localizeGather(const OpView& op, const Rule& rule, const Strategy& strategy, const Mesh& mesh) {
  const int factor = tableFactor(op, rule);
  if (factor < 0 || strategy.splits[factor].empty()) return {};
  mlir::MLIRContext* context = op.operation()->getContext();
  return {{{"offset", exprsAttr(context, {beginOf(rule, strategy, factor, mesh)})},
           {"extent", exprsAttr(context, {rule.factors[factor].size})}}};
}

KernelCall gatherCall(const OpView& op) {
  KernelCall call;
  call.kernel = "gather";
  call.attrs = {{"axis", static_cast<int64_t>(op.axisAttr("axis", 0, op.rank(0)))}};
  for (const char* name : {"offset", "extent"})
    if (mlir::Attribute attr = op.operation()->getAttr(name)) call.attrs.push_back({name, exprsOf(attr)[0]});
  call.operands = {0, 1};
  return call;
}

// One row by a constant index is a window of the data: the weights of one expert are not copied.
std::vector<mlir::Value> expandConstantGather(mlir::OpBuilder& builder, const OpView& op) {
  const std::optional<std::vector<int64_t>> indices = op.constantInts(1);
  const int axis = op.axisAttr("axis", 0, op.rank(0));
  if (!indices || indices->size() != 1) return {};
  const Expr dim = op.dims(0)[axis];
  const Expr begin = indices->front() < 0 ? dim + Expr(indices->front()) : Expr(indices->front());
  if (op.facts().lowerBound(begin) < 0 || op.facts().lowerBound(dim - begin) < 1) return {};
  NodeBuilder n(builder, op);
  mlir::Value rows = n.slice(n.operand(0), axis, begin, begin + Expr(1));
  if (op.rank(1) == 1) return {rows};
  if (op.rank(1) == 0) return {n.node("Squeeze", {rows, n.ints({axis})})};
  return {n.reshape(rows, op.result(0).dims)};
}

Row gather() {
  Row row;
  row.name = "Gather";
  row.ruleFor = gatherRule;
  row.infer = inferGather;
  row.inferValue = gatherValue;
  row.linearIn = 1;
  row.admits = gatherAdmits;
  row.localize = localizeGather;
  row.lowering = KernelBody{gatherCall};
  row.decomposition = ExpandBody{expandConstantGather};
  row.expandOnImport = true;
  return row;
}

// --- GatherElements and ScatterElements: dims beside the axis may be split where data and indices have the same. --------------

Status inferGatherElements(const OpView& op, ResultShapes& results) {
  if (op.rank(0) != op.rank(1))
    return nodeError(
        op, "has data of rank " + std::to_string(op.rank(0)) + " and indices of rank " + std::to_string(op.rank(1)));
  return allResults(op, {op.dtype(0), op.dims(1)}, results);
}

// The names of data's and of the indices' dims.
std::pair<std::string, std::string> elementDims(const OpView& op) {
  const int axis = op.axisAttr("axis", 0, op.rank(0));
  const Exprs data = op.dims(0), indices = op.dims(1);
  std::string dataNames, indexNames;
  for (int i = 0; i < op.rank(0); ++i) {
    const std::string number = std::to_string(i);
    const bool isShared = i != axis && op.facts().provablyEqual(data[i], indices[i]);
    dataNames += isShared ? " d" + number : " !a" + number;
    // The indices' own extent along the axis may be split for reading; writing needs them all.
    indexNames += isShared ? " d" + number : (i == axis && op.numOperands() == 2 ? " b" : " !b") + number;
  }
  return {dataNames, indexNames};
}

std::string gatherElementsRule(const OpView& op) {
  const auto [data, indices] = elementDims(op);
  return data + "," + indices + " ->" + indices;
}

template <const char* const& Kernel>
KernelCall indexedCall(const OpView& op) {
  KernelCall call;
  call.kernel = Kernel;
  call.attrs = {{"axis", static_cast<int64_t>(op.axisAttr("axis", 0, op.rank(0)))}};
  if (op.numOperands() == 3) call.attrs.push_back({"reduction", op.stringAttr("reduction", "none")});
  for (int i = 0; i < op.numOperands(); ++i) call.operands.push_back(i);
  return call;
}

const char* const kGatherElements = "gather_elements";
const char* const kScatterElements = "scatter_elements";

Row gatherElements() {
  Row row;
  row.name = "GatherElements";
  row.ruleFor = gatherElementsRule;
  row.infer = inferGatherElements;
  row.linearIn = 1;
  row.lowering = KernelBody{indexedCall<kGatherElements>};
  return row;
}

std::string scatterElementsRule(const OpView& op) {
  const auto [data, indices] = elementDims(op);
  return data + "," + indices + "," + indices + " ->" + data;
}

Row scatterElements() {
  Row row;
  row.name = "ScatterElements";
  row.ruleFor = scatterElementsRule;
  row.lowering = KernelBody{indexedCall<kScatterElements>};
  return row;
}

// --- GatherND and ScatterND. -----------------------------------------------------------------------------------------------------

// How many dims of data one index of `indices` names; the indices' last dim must be a constant.
StatusOr<int> indexLength(const OpView& op, int indices) {
  const Exprs dims = op.dims(indices);
  const std::optional<int64_t> length = dims.empty() ? std::nullopt : dims.back().constant();
  if (!length || *length < 0 || *length > op.rank(0))
    return nodeError(op, "has indices of sizes " + str(dims) +
                             ", whose last must be a constant of at most the data's rank " +
                             std::to_string(op.rank(0)));
  return static_cast<int>(*length);
}

Status inferGatherND(const OpView& op, ResultShapes& results) {
  SW_ASSIGN_OR_RETURN(const int length, indexLength(op, 1));
  const Exprs data = op.dims(0), indices = op.dims(1);
  const int64_t batch = op.intAttr("batch_dims", 0);
  if (batch + length > op.rank(0)) return nodeError(op, "names more dims than its data have");
  for (int i = 0; i < batch; ++i)
    SW_RETURN_IF_ERROR(requireEqual(op, data[i], indices[i], "the sizes of batch dim " + std::to_string(i)));
  Exprs dims(indices.begin(), indices.end() - 1);
  dims.append(data.begin() + batch + length, data.end());
  return allResults(op, {op.dtype(0), dims}, results);
}

// "b0 !v0 !v1 r0, b0 i0 !k -> b0 i0 r0"
std::string gatherNDRule(const OpView& op) {
  const StatusOr<int> length = indexLength(op, 1);
  const int batch = static_cast<int>(op.intAttr("batch_dims", 0));
  const int rest = op.rank(0) - batch - (length.ok() ? *length : 0);
  const std::string b = dimNames("b", batch), i = dimNames("i", op.rank(1) - 1 - batch), r = dimNames("r", rest);
  return b + " " + dimNames("v", length.ok() ? *length : 0, "!") + " " + r + ", " + b + " " + i + " !k -> " + b + " " +
         i + " " + r;
}

KernelCall gatherNDCall(const OpView& op) {
  KernelCall call;
  call.kernel = "gather_nd";
  call.attrs = {{"batch_dims", op.intAttr("batch_dims", 0)}};
  call.operands = {0, 1};
  return call;
}

Row gatherND() {
  Row row;
  row.name = "GatherND";
  row.ruleFor = gatherNDRule;
  row.infer = inferGatherND;
  row.linearIn = 1;
  row.lowering = KernelBody{gatherNDCall};
  return row;
}

// "!v0 r0, !i0 !k, !i0 r0 -> !v0 r0"
std::string scatterNDRule(const OpView& op) {
  const StatusOr<int> length = indexLength(op, 1);
  const int named = length.ok() ? *length : 0;
  const std::string data = dimNames("v", named, "!") + " " + dimNames("r", op.rank(0) - named);
  const std::string i = dimNames("i", op.rank(1) - 1, "!");
  return data + ", " + i + " !k, " + i + " " + dimNames("r", op.rank(0) - named) + " -> " + data;
}

KernelCall scatterNDCall(const OpView& op) {
  KernelCall call;
  call.kernel = "scatter_nd";
  call.attrs = {{"reduction", op.stringAttr("reduction", "none")}};
  call.operands = {0, 1, 2};
  return call;
}

Status inferScatterND(const OpView& op, ResultShapes& results) {
  SW_RETURN_IF_ERROR(indexLength(op, 1).status());
  return allResults(op, op.operand(0), results);
}

Row scatterND() {
  Row row;
  row.name = "ScatterND";
  row.ruleFor = scatterNDRule;
  row.infer = inferScatterND;
  row.lowering = KernelBody{scatterNDCall};
  return row;
}

}  // namespace

llvm::ArrayRef<Row> gatherRows() {
  static const std::vector<Row> kRows = {gather(), gatherElements(), gatherND(), scatterElements(), scatterND()};
  return kRows;
}

}  // namespace shardwright
