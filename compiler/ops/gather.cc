// Rows of ops that read or write by index: Gather, GatherElements, GatherND, ScatterElements, ScatterND.
#include "compiler/ops/dim_names.h"
#include "compiler/ops/families.h"
#include "compiler/ops/index_offset.h"
#include "compiler/ops/node_builder.h"
#include "compiler/ops/shape_functions.h"

#include <numeric>

namespace shardwright {
namespace {

// --- What all of them share: indices stay global, and a rank that holds a part of an indexed dim is told where it begins. ------

using Dims = std::vector<int> (*)(const OpView&);

// How many dims of data one index names; the indices' last dim must be a constant.
StatusOr<int> indexLength(const OpView& op) {
  const Exprs dims = op.dims(1);
  const std::optional<int64_t> length = dims.empty() ? std::nullopt : dims.back().constant();
  if (!length || *length < 0 || *length > op.rank(0))
    return nodeError(op, "has indices of sizes " + str(dims) +
                             ", whose last must be a constant of at most the data's rank " +
                             std::to_string(op.rank(0)));
  return static_cast<int>(*length);
}

// The indexed dims of data.
std::vector<int> axisDim(const OpView& op) { return {op.axisAttr("axis", 0, op.rank(0))}; }
std::vector<int> leadingDims(const OpView& op) {
  const StatusOr<int> length = indexLength(op);
  std::vector<int> dims(length.ok() ? *length : 0);
  std::iota(dims.begin(), dims.end(), static_cast<int>(op.intAttr("batch_dims", 0)));
  return dims;
}

template <Dims IndexedDims>
bool indexedAdmits(const OpView& op, const Rule& rule, const Strategy& strategy) {
  return llvm::all_of(IndexedDims(op), [&](int dim) {
    const int factor = factorOf(rule.operands[0], dim);
    return factor < 0 || isContiguous(strategy, factor);
  });
}

template <Dims IndexedDims>
Row::LocalAttrs localizeIndexed(const OpView& op, const Rule& rule, const Strategy& strategy, const Mesh& mesh) {
  Exprs offsets, extents;
  bool isSplit = false;
  for (int dim : IndexedDims(op)) {
    const int factor = factorOf(rule.operands[0], dim);
    isSplit |= factor >= 0 && !strategy.splits[factor].empty();
    offsets.push_back(factor < 0 ? Expr(0) : beginOf(rule, strategy, factor, mesh));
    extents.push_back(op.dims(0)[dim]);
  }
  if (!isSplit) return {};
  mlir::MLIRContext* context = op.operation()->getContext();
  return {{{"offsets", exprsAttr(context, offsets)}, {"extents", exprsAttr(context, extents)}}};
}

// Passes on what localisation has set, to kernels that index along one axis and along several.
void addPlace(const OpView& op, KernelCall& call) {
  for (const char* name : {"offset", "extent"})
    if (mlir::Attribute attr = op.operation()->getAttr(std::string(name) + "s"))
      call.attrs.push_back({name, exprsOf(attr)[0]});
}
void addPlaces(const OpView& op, KernelCall& call) {
  for (const char* name : {"offsets", "extents"})
    if (mlir::Attribute attr = op.operation()->getAttr(name))
      call.attrs.push_back({name, Exprs(exprsOf(attr).begin(), exprsOf(attr).end())});
}

template <Dims IndexedDims>
Row indexed(const char* name, std::string (*ruleFor)(const OpView&), KernelCall (*call)(const OpView&)) {
  Row row;
  row.name = name;
  row.ruleFor = ruleFor;
  row.admits = indexedAdmits<IndexedDims>;
  row.localize = localizeIndexed<IndexedDims>;
  row.lowering = KernelBody{call};
  return row;
}

bool isNumber(DType type) { return isFloat(type) || isInteger(type); }

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
  std::string before, behind;
  for (int i = 0; i < op.rank(0); ++i)
    if (i != axis) (i < axis ? before : behind) += " d" + std::to_string(i);
  const std::string v = op.dims(0)[axis] == Expr(1) ? " 1" : isNumber(op.dtype(0)) ? " v" : " !v";
  const std::string indices = dimNames("i", op.rank(1));
  return before + v + behind + ", " + indices + " -> " + before + " " + indices + " " + behind;
}

KernelCall gatherCall(const OpView& op) {
  KernelCall call;
  call.kernel = "gather";
  call.attrs = {{"axis", static_cast<int64_t>(op.axisAttr("axis", 0, op.rank(0)))}};
  addPlace(op, call);
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
  Row row = indexed<axisDim>("Gather", gatherRule, gatherCall);
  row.infer = inferGather;
  row.inferValue = gatherValue;
  row.valueMoves = true;
  row.linearIn = 1;
  row.decomposition = ExpandBody{expandConstantGather};
  row.expandOnImport = true;
  return row;
}

// --- GatherElements and ScatterElements: dims beside the axis may be split where data and indices have the same. Along the axis
// data may be split: reading leaves a partial sum, writing leaves out what other ranks hold.

Status inferGatherElements(const OpView& op, ResultShapes& results) {
  if (op.rank(0) != op.rank(1))
    return nodeError(
        op, "has data of rank " + std::to_string(op.rank(0)) + " and indices of rank " + std::to_string(op.rank(1)));
  return allResults(op, {op.dtype(0), op.dims(1)}, results);
}

// The names of data's and of the indices' dims.
std::pair<std::string, std::string> elementDims(const OpView& op, bool isRead) {
  const int axis = op.axisAttr("axis", 0, op.rank(0));
  const Exprs data = op.dims(0), indices = op.dims(1);
  std::string dataNames, indexNames;
  for (int i = 0; i < op.rank(0); ++i) {
    const std::string number = std::to_string(i);
    if (i == axis) {
      // The indices' own extent along the axis may be split for reading; writing needs them all.
      dataNames += isRead && !isNumber(op.dtype(0)) ? " !v" : " v";
      indexNames += isRead ? " b" : " !b";
    } else {
      const bool isShared = op.facts().provablyEqual(data[i], indices[i]);
      dataNames += isShared ? " d" + number : " !a" + number;
      indexNames += isShared ? " d" + number : " !b" + number;
    }
  }
  return {dataNames, indexNames};
}

std::string gatherElementsRule(const OpView& op) {
  const auto [data, indices] = elementDims(op, true);
  return data + "," + indices + " ->" + indices;
}

template <const char* const& Kernel>
KernelCall indexedCall(const OpView& op) {
  KernelCall call;
  call.kernel = Kernel;
  call.attrs = {{"axis", static_cast<int64_t>(op.axisAttr("axis", 0, op.rank(0)))}};
  if (op.numOperands() == 3) call.attrs.push_back({"reduction", op.stringAttr("reduction", "none")});
  addPlace(op, call);
  for (int i = 0; i < op.numOperands(); ++i) call.operands.push_back(i);
  return call;
}

const char* const kGatherElements = "gather_elements";
const char* const kScatterElements = "scatter_elements";

Row gatherElements() {
  Row row = indexed<axisDim>("GatherElements", gatherElementsRule, indexedCall<kGatherElements>);
  row.infer = inferGatherElements;
  row.linearIn = 1;
  return row;
}

std::string scatterElementsRule(const OpView& op) {
  const auto [data, indices] = elementDims(op, false);
  return data + "," + indices + "," + indices + " ->" + data;
}

// --- GatherND and ScatterND. -----------------------------------------------------------------------------------------------------

Status inferGatherND(const OpView& op, ResultShapes& results) {
  SW_ASSIGN_OR_RETURN(const int length, indexLength(op));
  const Exprs data = op.dims(0), indices = op.dims(1);
  const int64_t batch = op.intAttr("batch_dims", 0);
  if (batch + length > op.rank(0)) return nodeError(op, "names more dims than its data have");
  for (int i = 0; i < batch; ++i)
    SW_RETURN_IF_ERROR(requireEqual(op, data[i], indices[i], "the sizes of batch dim " + std::to_string(i)));
  Exprs dims(indices.begin(), indices.end() - 1);
  dims.append(data.begin() + batch + length, data.end());
  return allResults(op, {op.dtype(0), dims}, results);
}

// "b0 v0 v1 r0, b0 i0 !k -> b0 i0 r0", the v summed over where they can be.
std::string gatherNDRule(const OpView& op) {
  const StatusOr<int> length = indexLength(op);
  const int batch = static_cast<int>(op.intAttr("batch_dims", 0));
  const int rest = op.rank(0) - batch - (length.ok() ? *length : 0);
  const std::string b = dimNames("b", batch), i = dimNames("i", op.rank(1) - 1 - batch), r = dimNames("r", rest);
  return b + " " + dimNames("v", length.ok() ? *length : 0, isNumber(op.dtype(0)) ? "" : "!") + " " + r + ", " + b +
         " " + i + " !k -> " + b + " " + i + " " + r;
}

KernelCall gatherNDCall(const OpView& op) {
  KernelCall call;
  call.kernel = "gather_nd";
  call.attrs = {{"batch_dims", op.intAttr("batch_dims", 0)}};
  addPlaces(op, call);
  call.operands = {0, 1};
  return call;
}

Row gatherND() {
  Row row = indexed<leadingDims>("GatherND", gatherNDRule, gatherNDCall);
  row.infer = inferGatherND;
  row.linearIn = 1;
  return row;
}

// "v0 r0, !i0 !k, !i0 r0 -> v0 r0"
std::string scatterNDRule(const OpView& op) {
  const StatusOr<int> length = indexLength(op);
  const int named = length.ok() ? *length : 0;
  const std::string data = dimNames("v", named) + " " + dimNames("r", op.rank(0) - named);
  const std::string i = dimNames("i", op.rank(1) - 1, "!");
  return data + ", " + i + " !k, " + i + " " + dimNames("r", op.rank(0) - named) + " -> " + data;
}

KernelCall scatterNDCall(const OpView& op) {
  KernelCall call;
  call.kernel = "scatter_nd";
  call.attrs = {{"reduction", op.stringAttr("reduction", "none")}};
  addPlaces(op, call);
  call.operands = {0, 1, 2};
  return call;
}

Status inferScatterND(const OpView& op, ResultShapes& results) {
  SW_RETURN_IF_ERROR(indexLength(op).status());
  return allResults(op, op.operand(0), results);
}

Row scatterND() {
  Row row = indexed<leadingDims>("ScatterND", scatterNDRule, scatterNDCall);
  row.infer = inferScatterND;
  return row;
}

}  // namespace

llvm::ArrayRef<Row> gatherRows() {
  static const std::vector<Row> kRows = {
      gather(), gatherElements(), gatherND(),
      indexed<axisDim>("ScatterElements", scatterElementsRule, indexedCall<kScatterElements>), scatterND()};
  return kRows;
}

}  // namespace shardwright
