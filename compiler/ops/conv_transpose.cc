// The row of ConvTranspose, which import writes as the convolution that it is: of the input with zeros between its elements, by the
// weights turned round, their input and output channels exchanged within each group.
#include "compiler/ops/expansion.h"
#include "compiler/ops/families.h"
#include "compiler/ops/node_builder.h"
#include "compiler/ops/shape_functions.h"

#include <numeric>

namespace shardwright {
namespace {

// Along one spatial dim.
struct Spatial {
  int64_t kernel, stride, dilation, padBegin, padEnd, outputPad;
  int64_t reach() const { return (kernel - 1) * dilation; }
};

StatusOr<std::vector<Spatial>> spatialsOf(const OpView& op) {
  const int rank = op.rank(0) - 2;
  if (op.rank(0) != op.rank(1) || rank < 1)
    return nodeError(op, "has an input of rank " + std::to_string(op.rank(0)) + " and weights of rank " +
                             std::to_string(op.rank(1)));
  const std::string autoPad = op.stringAttr("auto_pad", "NOTSET");
  if (op.hasAttr("output_shape") || (autoPad != "NOTSET" && autoPad != "VALID"))
    return nodeError(
        op, "leaves its pads to be found (auto_pad " + autoPad + " or output_shape); supported are pads as given");
  auto list = [&](const char* name, int64_t otherwise, int count) {
    std::vector<int64_t> values = op.intsAttr(name).value_or(std::vector<int64_t>());
    if (values.empty()) values.assign(count, otherwise);
    return values;
  };
  const auto strides = list("strides", 1, rank), dilations = list("dilations", 1, rank),
             pads = list("pads", 0, 2 * rank), outputPads = list("output_padding", 0, rank);
  std::vector<Spatial> all;
  for (int i = 0; i < rank; ++i) {
    const std::optional<int64_t> kernel = op.dims(1)[i + 2].constant();
    if (!kernel) return nodeError(op, "has a kernel of sizes " + str(op.dims(1)) + ", which must be constants");
    all.push_back({*kernel, strides[i], dilations[i], pads[i], pads[i + rank], outputPads[i]});
  }
  return all;
}

Status inferConvTranspose(const OpView& op, ResultShapes& results) {
  SW_ASSIGN_OR_RETURN(const std::vector<Spatial> spatials, spatialsOf(op));
  const Exprs x = op.dims(0), w = op.dims(1);
  const Expr group = op.intAttr("group", 1);
  SW_RETURN_IF_ERROR(requireEqual(op, x[1], w[0], "the input's channels and what the weights read"));
  if (!w[0].dividedBy(group) || !w[0].isConstant() || !w[1].isConstant())
    return nodeError(op, "has weights of sizes " + str(w) + " for " + group.str() + " groups");
  Exprs dims = {x[0], w[1] * group};
  for (size_t i = 0; i < spatials.size(); ++i) {
    const Spatial& s = spatials[i];
    dims.push_back((x[i + 2] - Expr(1)) * Expr(s.stride) + Expr(s.reach() + 1 + s.outputPad - s.padBegin - s.padEnd));
  }
  return allResults(op, {op.dtype(0), dims}, results);
}

// [7] by a stride of 3: [7, 1] padded to [7, 3], as [21]: the two zeros behind the last element are taken off the pads.
mlir::Value withZerosBetween(NodeBuilder& n, mlir::Value x, int dim, int64_t stride) {
  Exprs dims = n.dims(x), apart = dims;
  apart.insert(apart.begin() + dim + 1, Expr(1));
  std::vector<int64_t> pads(2 * apart.size(), 0);
  pads[apart.size() + dim + 1] = stride - 1;
  dims[dim] *= Expr(stride);
  return n.reshape(n.node("Pad", {n.reshape(x, apart), n.ints(pads)}), dims);
}

mlir::Value turnedRound(NodeBuilder& n, const OpView& op) {
  const Exprs w = op.dims(1);
  const Expr group = op.intAttr("group", 1), in = *w[0].dividedBy(group);
  Exprs grouped = {group, in}, exchanged = {group * w[1], in};
  grouped.append(w.begin() + 1, w.end());
  exchanged.append(w.begin() + 2, w.end());
  llvm::SmallVector<int64_t> permutation(grouped.size());
  std::iota(permutation.begin(), permutation.end(), 0);
  std::swap(permutation[1], permutation[2]);
  mlir::Value weights = n.reshape(n.transpose(n.reshape(n.operand(1), grouped), permutation), exchanged);
  const size_t rank = w.size() - 2;
  const std::vector<int64_t> last(rank, -1), before(rank, INT64_MIN), step(rank, -1);
  std::vector<int64_t> axes(rank);
  std::iota(axes.begin(), axes.end(), 2);
  return n.node("Slice", {weights, n.ints(last), n.ints(before), n.ints(axes), n.ints(step)});
}

std::vector<mlir::Value> expandConvTranspose(mlir::OpBuilder& builder, const OpView& op) {
  NodeBuilder n(builder, op);
  const std::vector<Spatial> spatials = *spatialsOf(op);
  const size_t rank = spatials.size();
  mlir::Value x = n.operand(0);
  std::vector<int64_t> pads(2 * rank), crops(2 * (rank + 2), 0), dilations;
  for (size_t i = 0; i < rank; ++i) {
    const Spatial& s = spatials[i];
    if (s.stride > 1) x = withZerosBetween(n, x, static_cast<int>(i) + 2, s.stride);
    const int64_t begin = s.reach() - s.padBegin, end = s.reach() - s.padEnd + s.outputPad - (s.stride - 1);
    // What is less than nothing is cut off.
    crops[i + 2] = std::min<int64_t>(begin, 0);
    crops[rank + 4 + i] = std::min<int64_t>(end, 0);
    pads[i] = std::max<int64_t>(begin, 0);
    pads[rank + i] = std::max<int64_t>(end, 0);
    dilations.push_back(s.dilation);
  }
  if (llvm::any_of(crops, [](int64_t crop) { return crop < 0; })) x = n.node("Pad", {x, n.ints(crops)});
  return {n.node("Conv", {x, turnedRound(n, op), n.operand(2)},
                 {{"pads", n.intsAttr(pads)},
                  {"dilations", n.intsAttr(dilations)},
                  {"group", n.intAttr(op.intAttr("group", 1))}})};
}

}  // namespace

llvm::ArrayRef<Row> convTransposeRows() {
  static const std::vector<Row> kRows = {expandedOnImport("ConvTranspose", inferConvTranspose, expandConvTranspose)};
  return kRows;
}

}  // namespace shardwright
