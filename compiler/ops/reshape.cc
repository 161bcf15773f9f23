// Rows of ops that only rename elements: Reshape, Flatten, Squeeze, Unsqueeze, Transpose. Their results are windows on the
// operand.
#include "compiler/ops/dim_names.h"
#include "compiler/ops/families.h"
#include "compiler/ops/reshape_factors.h"
#include "compiler/ops/shape_functions.h"

#include <algorithm>

namespace shardwright {
namespace {

std::optional<Exprs> sameElements(const OpView& op) { return op.value(0); }

std::optional<SymbolicView> reshapedView(const OpView& op, int, const SymbolicView& operand,
                                         llvm::ArrayRef<Expr> resultDims) {
  return reshapeView(operand, resultDims, op.facts());
}

Row viewRow(const char* name, Status (*infer)(const OpView&, ResultShapes&), std::string (*ruleFor)(const OpView&)) {
  Row row;
  row.name = name;
  row.ruleFor = ruleFor;
  row.infer = infer;
  row.inferValue = sameElements;
  row.valueMoves = true;
  row.linearIn = 1;
  row.lowering = ViewBody{reshapedView};
  return row;
}

// --- Reshape and Flatten. ----------------------------------------------------------------------------------------------------

std::string reshapeRuleText(const OpView& op) {
  const ReshapeRule rule = reshapeRule(op.dims(0), op.result(0).dims, op.facts());
  return rule.operand + sizesOperands(op, 1) + " -> " + rule.result;
}

// The size that -1 stands for: all elements over the product of the other sizes.
StatusOr<Expr> remainingSize(const OpView& op, llvm::ArrayRef<Expr> from, Expr others) {
  Expr total = 1;
  for (Expr dim : from) total *= dim;
  total = op.facts().simplify(total);
  others = op.facts().simplify(others);
  if (others == Expr(0)) return nodeError(op, "a size of -1 beside a size of 0 has no meaning");
  if (std::optional<Expr> exact = total.dividedBy(others)) return *exact;
  if (total.isConstant() && others.isConstant())
    return nodeError(
        op, "cannot reshape " + str(from) + " (" + total.str() + " elements) into multiples of " + others.str());
  return op.facts().simplify(Expr::floorDiv(total, others));
}

Status inferReshape(const OpView& op, ResultShapes& results) {
  const std::optional<Exprs> sizes = op.value(1);
  if (!sizes)
    return nodeError(
        op, "reshapes to sizes that depend on data; only sizes that follow from the inputs' sizes are supported");
  const Exprs from = op.dims(0);
  Exprs to;
  int open = -1;
  Expr others = 1;
  for (size_t i = 0; i < sizes->size(); ++i) {
    Expr size = (*sizes)[i];
    if (size == Expr(-1)) {
      if (open >= 0) return nodeError(op, "two of the sizes " + str(*sizes) + " are -1, one may be");
      open = static_cast<int>(i);
    } else if (size == Expr(0) && !op.intAttr("allowzero", 0)) {
      if (i >= from.size())
        return nodeError(op, "size " + std::to_string(i) + " is 0 (keep the operand's), and the operand has rank " +
                                 std::to_string(from.size()));
      size = from[i];
    }
    to.push_back(size);
    if (size != Expr(-1)) others *= size;
  }
  if (open >= 0) {
    SW_ASSIGN_OR_RETURN(to[open], remainingSize(op, from, others));
  } else if (Expr total = op.facts().simplify(product({from.begin(), from.end()}) - others);
             total.isConstant() && total != Expr(0)) {
    return nodeError(op, "cannot reshape " + str(from) + " into " + str(to) + ": the numbers of elements differ");
  }
  return allResults(op, {op.dtype(0), to}, results);
}

Status inferFlatten(const OpView& op, ResultShapes& results) {
  const Exprs from = op.dims(0);
  const int axis = op.axisAttr("axis", 1, op.rank(0));
  if (axis < 0 || axis > op.rank(0))
    return nodeError(
        op, "axis " + std::to_string(axis) + " is outside of the operand's rank " + std::to_string(op.rank(0)));
  Exprs to = {Expr(1), Expr(1)};
  for (int i = 0; i < op.rank(0); ++i) to[i < axis ? 0 : 1] *= from[i];
  return allResults(op, {op.dtype(0), to}, results);
}

Row reshape() {
  Row row = viewRow("Reshape", inferReshape, reshapeRuleText);
  row.staticOperands = 0b10;
  return row;
}

// --- Squeeze and Unsqueeze. --------------------------------------------------------------------------------------------------

// The axes operand or, in old forms, attribute; for Squeeze without axes all dims of size 1.
StatusOr<std::vector<int>> axesOf(const OpView& op, int rank) {
  std::optional<std::vector<int64_t>> axes = op.constantInts(1);
  if (!axes) axes = op.intsAttr("axes");
  if (!axes && op.has(1)) return nodeError(op, "has axes that depend on data; axes must be constants");
  if (axes) return normalizedAxes(op, *axes, rank);
  std::vector<int> ones;
  const Exprs dims = op.dims(0);
  for (int i = 0; i < op.rank(0); ++i)
    if (dims[i] == Expr(1)) ones.push_back(i);
  return ones;
}

int numAxes(const OpView& op) {
  const std::optional<std::vector<int64_t>> axes = op.constantInts(1);
  return axes ? static_cast<int>(axes->size()) : 0;
}

Status inferSqueeze(const OpView& op, ResultShapes& results) {
  SW_ASSIGN_OR_RETURN(const std::vector<int> axes, axesOf(op, op.rank(0)));
  const Exprs from = op.dims(0);
  Exprs to;
  for (int i = 0; i < op.rank(0); ++i) {
    if (!std::count(axes.begin(), axes.end(), i)) {
      to.push_back(from[i]);
    } else if (from[i].isConstant() && from[i] != Expr(1)) {
      return nodeError(op, "squeezes axis " + std::to_string(i) + ", whose size is " + from[i].str() + " and not 1");
    }
  }
  return allResults(op, {op.dtype(0), to}, results);
}

Status inferUnsqueeze(const OpView& op, ResultShapes& results) {
  const int rank = op.rank(0) + numAxes(op);
  SW_ASSIGN_OR_RETURN(const std::vector<int> axes, axesOf(op, rank));
  if (static_cast<int>(axes.size()) != numAxes(op)) return nodeError(op, "names an axis twice");
  const Exprs from = op.dims(0);
  Exprs to;
  for (int i = 0, next = 0; i < rank; ++i)
    to.push_back(std::count(axes.begin(), axes.end(), i) ? Expr(1) : from[next++]);
  return allResults(op, {op.dtype(0), to}, results);
}

// Letters by position in the tensor that has the dims in question, which are "1" there and absent from the other.
std::string squeezeRule(const OpView& op, bool isSqueeze) {
  const int rank = isSqueeze ? op.rank(0) : static_cast<int>(op.result(0).dims.size());
  const StatusOr<std::vector<int>> axes = axesOf(op, rank);
  std::string longer, shorter;
  for (int i = 0; i < rank; ++i) {
    const bool isAxis = axes.ok() && std::count(axes->begin(), axes->end(), i);
    const std::string name = "d" + std::to_string(i) + " ";
    longer += isAxis ? "1 " : name;
    if (!isAxis) shorter += name;
  }
  return (isSqueeze ? longer : shorter) + sizesOperands(op, 1) + " -> " + (isSqueeze ? shorter : longer);
}
std::string squeezeRuleText(const OpView& op) { return squeezeRule(op, true); }
std::string unsqueezeRuleText(const OpView& op) { return squeezeRule(op, false); }

Row squeeze() {
  Row row = viewRow("Squeeze", inferSqueeze, squeezeRuleText);
  row.staticOperands = 0b10;
  return row;
}

Row unsqueeze() {
  Row row = viewRow("Unsqueeze", inferUnsqueeze, unsqueezeRuleText);
  row.staticOperands = 0b10;
  return row;
}

// --- Transpose. ----------------------------------------------------------------------------------------------------------------

std::vector<int64_t> permutationOf(const OpView& op) {
  if (auto perm = op.intsAttr("perm")) return *perm;
  std::vector<int64_t> reversed(op.rank(0));
  for (size_t i = 0; i < reversed.size(); ++i) reversed[i] = static_cast<int64_t>(reversed.size() - 1 - i);
  return reversed;
}

Status inferTranspose(const OpView& op, ResultShapes& results) {
  const std::vector<int64_t> perm = permutationOf(op);
  std::vector<int64_t> sorted = perm;
  std::sort(sorted.begin(), sorted.end());
  bool valid = perm.size() == static_cast<size_t>(op.rank(0));
  for (size_t i = 0; i < sorted.size(); ++i) valid = valid && sorted[i] == static_cast<int64_t>(i);
  if (!valid)
    return nodeError(op, "perm is no permutation of the " + std::to_string(op.rank(0)) + " dims of its operand");
  const Exprs from = op.dims(0);
  Exprs to;
  for (int64_t axis : perm) to.push_back(from[axis]);
  return allResults(op, {op.dtype(0), to}, results);
}

std::string transposeRule(const OpView& op) {
  std::string from, to;
  for (int i = 0; i < op.rank(0); ++i) from += "d" + std::to_string(i) + " ";
  for (int64_t axis : permutationOf(op)) to += " d" + std::to_string(axis);
  return from + "->" + to;
}

std::optional<SymbolicView> transposedView(const OpView& op, int, const SymbolicView& operand, llvm::ArrayRef<Expr>) {
  SymbolicView view{operand.offset, {}, {}};
  for (int64_t axis : permutationOf(op)) {
    view.dims.push_back(operand.dims[axis]);
    view.strides.push_back(operand.strides[axis]);
  }
  return view;
}

std::optional<Exprs> transposedValue(const OpView& op) { return valueOfView(op, transposedView); }

Row transpose() {
  Row row = viewRow("Transpose", inferTranspose, transposeRule);
  row.inferValue = transposedValue;
  row.valueMoves = true;
  row.lowering = ViewBody{transposedView};
  return row;
}

}  // namespace

llvm::ArrayRef<Row> reshapeRows() {
  static const std::vector<Row> kRows = {
      reshape(), viewRow("Flatten", inferFlatten, reshapeRuleText), squeeze(), unsqueeze(), transpose(),
  };
  return kRows;
}

}  // namespace shardwright
