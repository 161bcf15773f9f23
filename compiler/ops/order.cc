// Rows of ops that depend on the order of elements along an axis: ArgMax, ArgMin, TopK, CumSum.
#include "compiler/ops/axes.h"
#include "compiler/ops/dim_names.h"
#include "compiler/ops/families.h"
#include "compiler/ops/shape_functions.h"

namespace shardwright {
namespace {

// --- ArgMax and ArgMin. --------------------------------------------------------------------------------------------------------

int argAxis(const OpView& op) { return op.axisAttr("axis", 0, op.rank(0)); }

Status inferArg(const OpView& op, ResultShapes& results) {
  SW_ASSIGN_OR_RETURN(const int axis, normalizedAxis(op, op.intAttr("axis", 0), op.rank(0)));
  return allResults(op, {DType::kInt64, reducedDims(op.dims(0), {axis}, op.intAttr("keepdims", 1) != 0)}, results);
}

std::string argRule(const OpView& op) {
  const ReductionNames names = reductionNames(op.dims(0), {argAxis(op)}, op.intAttr("keepdims", 1) != 0, "!", "");
  return names.operand + " ->" + names.result;
}

template <bool IsMax>
KernelCall argCall(const OpView& op) {
  KernelCall call;
  call.kernel = "arg_reduce";
  call.attrs = {{"axis", static_cast<int64_t>(argAxis(op))},
                {"mode", std::string(IsMax ? "max" : "min")},
                {"select_last_index", op.intAttr("select_last_index", 0)}};
  call.operands = {0};
  return call;
}

Row arg(const char* name, KernelCall (*call)(const OpView&)) {
  Row row;
  row.name = name;
  row.ruleFor = argRule;
  row.infer = inferArg;
  row.flopsPerPoint = 1;
  row.lowering = KernelBody{call};
  return row;
}

// --- TopK. ---------------------------------------------------------------------------------------------------------------------

Status inferTopK(const OpView& op, ResultShapes& results) {
  SW_ASSIGN_OR_RETURN(const int axis, normalizedAxis(op, op.intAttr("axis", -1), op.rank(0)));
  const std::optional<Exprs> k = op.value(1);
  if (!k) return nodeError(op, "takes as many elements as data say; k must be a constant or a size");
  Exprs dims = op.dims(0);
  dims[axis] = k->front();
  SW_RETURN_IF_ERROR(allResults(op, {op.dtype(0), dims}, results));
  if (results.size() > 1) results[1].dtype = DType::kInt64;
  return Status();
}

std::string topKRule(const OpView& op) {
  const int axis = op.axisAttr("axis", -1, op.rank(0));
  auto dims = [&](const std::string& along) {
    std::string text;
    for (int i = 0; i < op.rank(0); ++i) text += " " + (i == axis ? along : "d" + std::to_string(i));
    return text;
  };
  std::string rule = dims("!v") + sizesOperands(op, 1) + " ->" + dims("!k");
  for (int i = 1; i < op.numResults(); ++i) rule += "," + dims("!k");
  return rule;
}

KernelCall topKCall(const OpView& op) {
  KernelCall call;
  call.kernel = "topk";
  call.attrs = {{"axis", static_cast<int64_t>(op.axisAttr("axis", -1, op.rank(0)))},
                {"largest", op.intAttr("largest", 1)},
                {"sorted", op.intAttr("sorted", 1)}};
  call.operands = {0};
  return call;
}

Row topK() {
  Row row;
  row.name = "TopK";
  row.ruleFor = topKRule;
  row.infer = inferTopK;
  row.staticOperands = 0b10;
  row.flopsPerPoint = 4;
  row.lowering = KernelBody{topKCall};
  return row;
}

// --- CumSum. -------------------------------------------------------------------------------------------------------------------

std::optional<int> cumAxis(const OpView& op) {
  const std::optional<std::vector<int64_t>> axis = op.constantInts(1);
  if (!axis || axis->empty()) return std::nullopt;
  return static_cast<int>(axis->front() < 0 ? axis->front() + op.rank(0) : axis->front());
}

Status inferCumSum(const OpView& op, ResultShapes& results) {
  const std::optional<int> axis = cumAxis(op);
  if (!axis || *axis < 0 || *axis >= op.rank(0))
    return nodeError(op, "needs a constant axis within the rank of its operand");
  return allResults(op, op.operand(0), results);
}

std::string cumSumRule(const OpView& op) {
  const int axis = cumAxis(op).value_or(0);
  std::string dims;
  for (int i = 0; i < op.rank(0); ++i) dims += (i == axis ? " !v" : " d" + std::to_string(i));
  return dims + sizesOperands(op, 1) + " ->" + dims;
}

KernelCall cumSumCall(const OpView& op) {
  KernelCall call;
  call.kernel = "cumsum";
  call.attrs = {{"axis", static_cast<int64_t>(cumAxis(op).value_or(0))},
                {"exclusive", op.intAttr("exclusive", 0)},
                {"reverse", op.intAttr("reverse", 0)}};
  call.operands = {0};
  return call;
}

Row cumSum() {
  Row row;
  row.name = "CumSum";
  row.ruleFor = cumSumRule;
  row.infer = inferCumSum;
  row.staticOperands = 0b10;
  row.linearIn = 1;
  row.flopsPerPoint = 1;
  row.lowering = KernelBody{cumSumCall};
  return row;
}

}  // namespace

llvm::ArrayRef<Row> orderRows() {
  static const std::vector<Row> kRows = {arg("ArgMax", argCall<true>), arg("ArgMin", argCall<false>), topK(), cumSum()};
  return kRows;
}

}  // namespace shardwright
