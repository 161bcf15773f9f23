// Rows of ops that take or join pieces of tensors: Slice, Split, Concat, Pad.
#include "compiler/ops/dim_names.h"
#include "compiler/ops/families.h"
#include "compiler/ops/shape_functions.h"
#include "compiler/ops/slicing.h"

#include <numeric>

namespace shardwright {
namespace {

// "d0 !a1 d2 -> d0 !b1 d2": dims that change are whole, on either side.
std::string changedDimsRule(const OpView& op, llvm::ArrayRef<bool> changed, int firstSizes) {
  std::string from, to;
  for (size_t i = 0; i < changed.size(); ++i) {
    const std::string number = std::to_string(i);
    from += (i ? " " : "") + (changed[i] ? "!a" + number : "d" + number);
    to += (changed[i] ? " !b" : " d") + number;
  }
  return from + sizesOperands(op, firstSizes) + " ->" + to;
}

// --- Slice. --------------------------------------------------------------------------------------------------------------------

Status inferSlice(const OpView& op, ResultShapes& results) {
  SW_ASSIGN_OR_RETURN(const std::vector<DimSlice> slices, slicesOf(op));
  Exprs dims;
  for (const DimSlice& slice : slices) dims.push_back(slice.count);
  return allResults(op, {op.dtype(0), dims}, results);
}

std::string sliceRule(const OpView& op) {
  const StatusOr<std::vector<DimSlice>> slices = slicesOf(op);
  llvm::SmallVector<bool> changed;
  for (int i = 0; i < op.rank(0); ++i) changed.push_back(!slices.ok() || !(*slices)[i].isWhole);
  return changedDimsRule(op, changed, 1);
}

std::optional<SymbolicView> sliceView(const OpView& op, int, const SymbolicView& operand, llvm::ArrayRef<Expr> dims) {
  const StatusOr<std::vector<DimSlice>> slices = slicesOf(op);
  SymbolicView view{operand.offset, Exprs(dims.begin(), dims.end()), operand.strides};
  for (size_t i = 0; slices.ok() && i < slices->size(); ++i) {
    const DimSlice& slice = (*slices)[i];
    if (slice.isWhole) continue;
    view.offset += slice.start * operand.strides[i];
    view.strides[i] = operand.strides[i] * Expr(slice.step);
  }
  return view;
}

std::optional<Exprs> sliceValue(const OpView& op) { return valueOfView(op, sliceView); }

Row slice() {
  Row row;
  row.name = "Slice";
  row.ruleFor = sliceRule;
  row.infer = inferSlice;
  row.inferValue = sliceValue;
  row.valueMoves = true;
  row.staticOperands = 0b11110;
  row.linearIn = 1;
  row.lowering = ViewBody{sliceView};
  return row;
}

// --- Split. --------------------------------------------------------------------------------------------------------------------

// The parts' sizes: from operand 1, or ceil(dim/n) each and what remains last.
StatusOr<Exprs> splitSizes(const OpView& op, Expr dim) {
  if (std::optional<Exprs> sizes = op.value(1)) {
    if (static_cast<int>(sizes->size()) != op.numResults())
      return nodeError(
          op, "has " + std::to_string(sizes->size()) + " sizes for " + std::to_string(op.numResults()) + " results");
    return *sizes;
  }
  if (op.has(1)) return nodeError(op, "splits into sizes that depend on data");
  const int64_t n = op.numResults();
  if (op.intAttr("num_outputs", n) != n)
    return nodeError(op, "has num_outputs " + std::to_string(op.intAttr("num_outputs", n)) + " and " +
                             std::to_string(n) + " results");
  const Expr part = op.facts().simplify(Expr::ceilDiv(dim, Expr(n)));
  Exprs sizes(n, part);
  sizes.back() = op.facts().simplify(dim - part * Expr(n - 1));
  return sizes;
}

Status inferSplit(const OpView& op, ResultShapes& results) {
  SW_ASSIGN_OR_RETURN(const int axis, normalizedAxis(op, op.intAttr("axis", 0), op.rank(0)));
  const Exprs dims = op.dims(0);
  SW_ASSIGN_OR_RETURN(const Exprs sizes, splitSizes(op, dims[axis]));
  const Expr total = std::accumulate(sizes.begin(), sizes.end(), Expr(0));
  SW_RETURN_IF_ERROR(
      requireEqual(op, total, dims[axis], "the sum of the parts and the size of axis " + std::to_string(axis)));
  results.clear();
  for (Expr size : sizes) {
    results.push_back({op.dtype(0), dims});
    results.back().dims[axis] = size;
  }
  return Status();
}

bool allEqual(llvm::ArrayRef<Expr> sizes, const Facts& facts) {
  return llvm::all_of(sizes, [&](Expr size) { return facts.provablyEqual(size, sizes[0]); });
}

Exprs resultSizes(const OpView& op, int axis) {
  Exprs sizes;
  for (int i = 0; i < op.numResults(); ++i) sizes.push_back(op.result(i).dims[axis]);
  return sizes;
}

// Equal parts: "b (!t=3 r) -> b r, b r, b r", where a split of r is a strided split of the operand's dim.
std::string splitRule(const OpView& op) {
  const int axis = op.axisAttr("axis", 0, op.rank(0)), n = op.numResults();
  const bool equal = allEqual(resultSizes(op, axis), op.facts());
  auto dims = [&](const std::string& along) {
    std::string text;
    for (int i = 0; i < op.rank(0); ++i) text += (i ? " " : "") + (i == axis ? along : "d" + std::to_string(i));
    return text;
  };
  std::string rule = dims(!equal   ? "!a"
                          : n == 1 ? "r"
                                   : "(!t=" + std::to_string(n) + " r)") +
                     sizesOperands(op, 1) + " ->";
  for (int i = 0; i < n; ++i) rule += (i ? ", " : " ") + dims(equal ? "r" : "!b" + std::to_string(i));
  return rule;
}

std::optional<SymbolicView> splitView(const OpView& op, int result, const SymbolicView& operand,
                                      llvm::ArrayRef<Expr> dims) {
  const int axis = op.axisAttr("axis", 0, op.rank(0));
  const Exprs sizes = resultSizes(op, axis);
  Expr begin = 0;
  for (int i = 0; i < result; ++i) begin += sizes[i];
  return SymbolicView{operand.offset + begin * operand.strides[axis], Exprs(dims.begin(), dims.end()), operand.strides};
}

Row split() {
  Row row;
  row.name = "Split";
  row.ruleFor = splitRule;
  row.infer = inferSplit;
  row.staticOperands = 0b10;
  row.linearIn = 1;
  row.lowering = ViewBody{splitView};
  return row;
}

// --- Concat. -------------------------------------------------------------------------------------------------------------------

Status inferConcat(const OpView& op, ResultShapes& results) {
  SW_ASSIGN_OR_RETURN(const int axis, normalizedAxis(op, op.intAttr("axis", 0), op.rank(0)));
  Exprs dims = op.dims(0);
  for (int i = 1; i < op.numOperands(); ++i) {
    const Exprs other = op.dims(i);
    if (other.size() != dims.size())
      return nodeError(
          op, "joins tensors of ranks " + std::to_string(dims.size()) + " and " + std::to_string(other.size()));
    for (size_t d = 0; d < dims.size(); ++d) {
      if (static_cast<int>(d) == axis) {
        dims[d] += other[d];
      } else {
        SW_RETURN_IF_ERROR(requireEqual(op, dims[d], other[d], "the sizes of dim " + std::to_string(d)));
        if (other[d].isConstant()) dims[d] = other[d];
      }
    }
  }
  dims[axis] = op.facts().simplify(dims[axis]);
  return allResults(op, {op.dtype(0), dims}, results);
}

std::string concatRule(const OpView& op) {
  const int axis = op.axisAttr("axis", 0, op.rank(0));
  auto dims = [&](const std::string& along) {
    std::string text;
    for (int i = 0; i < op.rank(0); ++i) text += (i ? " " : "") + (i == axis ? along : "d" + std::to_string(i));
    return text;
  };
  std::string rule;
  for (int i = 0; i < op.numOperands(); ++i) rule += (i ? ", " : "") + dims("!a" + std::to_string(i));
  return rule + " -> " + dims("!b");
}

std::optional<Exprs> concatValue(const OpView& op) {
  Exprs joined;
  for (int i = 0; i < op.numOperands(); ++i) {
    const std::optional<Exprs> value = op.value(i);
    if (!value || op.rank(i) != 1) return std::nullopt;
    joined.append(value->begin(), value->end());
  }
  return joined;
}

KernelCall concatCall(const OpView& op) {
  KernelCall call;
  call.kernel = "concat";
  call.attrs = {{"axis", static_cast<int64_t>(op.axisAttr("axis", 0, op.rank(0)))}};
  for (int i = 0; i < op.numOperands(); ++i) call.operands.push_back(i);
  return call;
}

Row concat() {
  Row row;
  row.name = "Concat";
  row.ruleFor = concatRule;
  row.infer = inferConcat;
  row.inferValue = concatValue;
  row.valueMoves = true;
  row.linearIn = Row::kPartialAll;
  row.lowering = KernelBody{concatCall};
  return row;
}

// --- Pad. ----------------------------------------------------------------------------------------------------------------------

// Elements added before and after each dim; negative ones are cut off.
StatusOr<std::pair<Exprs, Exprs>> padsOf(const OpView& op) {
  const std::optional<Exprs> pads = op.value(1);
  if (!pads) return nodeError(op, "pads by sizes that depend on data");
  const int rank = op.rank(0);
  std::vector<int64_t> axes(rank);
  std::iota(axes.begin(), axes.end(), 0);
  if (auto given = op.constantInts(3)) axes = *given;
  if (pads->size() != 2 * axes.size())
    return nodeError(op, "has " + std::to_string(pads->size()) + " pads for " + std::to_string(axes.size()) +
                             " axes, and needs twice as many");
  Exprs before(rank, Expr(0)), after(rank, Expr(0));
  for (size_t i = 0; i < axes.size(); ++i) {
    SW_ASSIGN_OR_RETURN(const int axis, normalizedAxis(op, axes[i], rank));
    before[axis] = (*pads)[i];
    after[axis] = (*pads)[axes.size() + i];
  }
  return std::make_pair(before, after);
}

Status inferPad(const OpView& op, ResultShapes& results) {
  SW_ASSIGN_OR_RETURN(const auto pads, padsOf(op));
  Exprs dims = op.dims(0);
  for (size_t i = 0; i < dims.size(); ++i) dims[i] = op.facts().simplify(dims[i] + pads.first[i] + pads.second[i]);
  return allResults(op, {op.dtype(0), dims}, results);
}

std::string padRule(const OpView& op) {
  const auto pads = padsOf(op);
  llvm::SmallVector<bool> changed;
  for (int i = 0; i < op.rank(0); ++i)
    changed.push_back(!pads.ok() || pads->first[i] != Expr(0) || pads->second[i] != Expr(0));
  return changedDimsRule(op, changed, 1);
}

KernelCall padCall(const OpView& op) {
  const auto pads = padsOf(op);
  Exprs all = pads->first;
  all.append(pads->second.begin(), pads->second.end());
  KernelCall call;
  call.kernel = "pad";
  call.attrs = {{"mode", op.stringAttr("mode", "constant")}, {"pads", all}};
  call.operands = {0};
  if (op.has(2)) call.operands.push_back(2);
  return call;
}

Row pad() {
  Row row;
  row.name = "Pad";
  row.ruleFor = padRule;
  row.infer = inferPad;
  row.staticOperands = 0b1010;
  row.lowering = KernelBody{padCall};
  return row;
}

}  // namespace

llvm::ArrayRef<Row> sliceRows() {
  static const std::vector<Row> kRows = {slice(), split(), concat(), pad()};
  return kRows;
}

}  // namespace shardwright
