// Rows of ONNX Runtime's attention (domain com.microsoft): Attention with packed weights, MultiHeadAttention, RotaryEmbedding. Import
// writes them as products, splits and the one attention that all forms become.
#include "compiler/ops/expansion.h"
#include "compiler/ops/families.h"
#include "compiler/ops/fused_attention.h"
#include "compiler/ops/node_builder.h"
#include "compiler/ops/shape_functions.h"

#include <cmath>

namespace shardwright {
namespace {

using Values = std::vector<mlir::Value>;

constexpr char kDomain[] = "com.microsoft";

// --- What both forms of attention share. -------------------------------------------------------------------------------------------

struct Sizes {
  Expr batch, heads, queries, keys, past, headSize, valueSize;
  Expr total() const { return past + keys; }
};

// A mask that is added to the scores, [batch or 1, heads or 1, queries or 1, total]; null if every key is seen.
class MaskBuilder {
 public:
  MaskBuilder(NodeBuilder& builder, const OpView& op, const Sizes& sizes)
      : n_(builder), op_(op), sizes_(sizes), filter_(op.floatAttr("mask_filter_value", -10000)) {}

  mlir::Value build(int padding, int bias, bool isCausal) {
    mlir::Value mask = op_.has(padding) ? paddingMask(padding) : mlir::Value();
    if (isCausal)
      mask = combined(mask, where(n_.node("LessOrEqual", {range(sizes_.total()), queryPositions()}), -3e38));
    if (op_.has(bias)) mask = combined(mask, n_.operand(bias));
    return mask;
  }

 private:
  mlir::Value combined(mlir::Value a, mlir::Value b) { return a ? n_.add(a, b) : b; }
  mlir::Value range(Expr extent) { return n_.node("Range", {n_.expr(Expr(0)), n_.expr(extent), n_.expr(Expr(1))}); }
  mlir::Value queryPositions() {
    return n_.node("Unsqueeze", {n_.add(range(sizes_.queries), n_.expr(sizes_.past)), n_.ints({1})});
  }
  mlir::Value where(mlir::Value seen, double hidden) {
    const DType type = op_.dtype(0);
    return n_.node("Where", {seen, n_.scalar(0, type), n_.scalar(hidden, type)});
  }

  // By rank: how many keys each sequence has ([batch]; [2·batch]: where they end and begin), or which are seen (not 0).
  mlir::Value paddingMask(int padding) {
    mlir::Value given = n_.operand(padding);
    if (op_.rank(padding) == 1) {
      mlir::Value keys = n_.cast(range(sizes_.total()), op_.dtype(padding));
      const bool hasBegins = op_.dims(padding)[0] != sizes_.batch;
      auto bounds = [&](mlir::Value value) { return n_.reshape(value, {sizes_.batch, 1, 1, 1}); };
      mlir::Value ends = hasBegins ? n_.slice(given, 0, 0, sizes_.batch) : given;
      mlir::Value seen = n_.node("Less", {keys, bounds(ends)});
      if (hasBegins)
        seen = n_.node("And", {seen, n_.node("GreaterOrEqual",
                                             {keys, bounds(n_.slice(given, 0, sizes_.batch, sizes_.batch * 2))})});
      return where(seen, filter_);
    }
    mlir::Value seen = n_.cast(given, DType::kBool);
    if (op_.rank(padding) == 2) seen = n_.node("Unsqueeze", {seen, n_.ints({1, 2})});
    if (op_.rank(padding) == 3) seen = n_.node("Unsqueeze", {seen, n_.ints({1})});
    return where(seen, filter_);
  }

  NodeBuilder& n_;
  const OpView& op_;
  const Sizes& sizes_;
  double filter_;
};

Status checkMasks(const OpView& op, const Sizes& s, int padding, int bias) {
  if (op.has(padding)) {
    const Exprs dims = op.dims(padding);
    const bool isLengths = dims.size() == 1 && (dims[0] == s.batch || dims[0] == s.batch * 2);
    if (!isLengths && dims.size() != 2 && dims.size() != 3)
      return nodeError(op, "has a mask of sizes " + str(dims) +
                               "; supported are [batch], [2*batch], [batch, keys] and [batch, queries, keys]");
    if (dims.size() > 1) SW_RETURN_IF_ERROR(requireEqual(op, dims.back(), s.total(), "the mask's keys and all keys"));
  }
  if (op.has(bias) && op.rank(bias) != 4)
    return nodeError(op, "has an attention bias of rank " + std::to_string(op.rank(bias)) + ", which must be 4");
  return {};
}

mlir::Value inHeads(NodeBuilder& n, mlir::Value x, const Sizes& s, Expr length, Expr size) {
  return n.transpose(n.reshape(x, {s.batch, length, s.heads, size}), {0, 2, 1, 3});
}

mlir::Value attend(NodeBuilder& n, const OpView& op, const Sizes& s, mlir::Value q, mlir::Value k, mlir::Value v,
                   mlir::Value mask) {
  double scale = op.floatAttr("scale", 0);
  if (scale == 0) scale = 1 / std::sqrt(static_cast<double>(s.headSize.constant().value_or(1)));
  mlir::Value y =
      n.node(kFusedAttention, {q, k, v, mask}, {{"scale", n.floatAttr(scale)}, {"empty_rows", n.stringAttr("zeros")}});
  return n.reshape(n.transpose(y, {0, 2, 1, 3}), {s.batch, s.queries, s.heads * s.valueSize});
}

StatusOr<Expr> headsOf(const OpView& op, Expr hidden) {
  const int64_t heads = op.intAttr("num_heads", 0);
  if (heads <= 0) return nodeError(op, "needs the attribute num_heads");
  if (!hidden.dividedBy(heads))
    return nodeError(op, "has " + std::to_string(heads) + " heads, which do not divide the size " + hidden.str());
  return Expr(heads);
}

// --- Attention: x · W + b is cut into queries, keys and values. --------------------------------------------------------------------

enum Attention { kInput, kWeights, kBias, kMaskIndex, kPast, kAttentionBias, kPastLength };

// The widths of queries and keys, and of values.
std::pair<Expr, Expr> widthsOf(const OpView& op) {
  if (auto sizes = op.intsAttr("qkv_hidden_sizes"); sizes && sizes->size() == 3) return {(*sizes)[0], (*sizes)[2]};
  const Expr third = Expr::floorDiv(op.dims(kWeights)[1], 3);
  return {third, third};
}

StatusOr<Sizes> attentionSizes(const OpView& op) {
  if (!op.has(kInput) || !op.has(kWeights) || op.rank(kInput) != 3 || op.rank(kWeights) != 2)
    return nodeError(op, "needs an input of rank 3 and weights of rank 2");
  if (op.has(kPastLength) || op.intAttr("do_rotary", 0) || op.intAttr("past_present_share_buffer", 0))
    return nodeError(op, "rotates, or shares a buffer with its past, which is not supported");
  const Exprs x = op.dims(kInput);
  const auto [width, valueWidth] = widthsOf(op);
  SW_ASSIGN_OR_RETURN(const Expr heads, headsOf(op, width));
  SW_RETURN_IF_ERROR(headsOf(op, valueWidth).status());
  const Expr past = op.has(kPast) ? op.dims(kPast)[3] : Expr(0);
  return Sizes{x[0], heads, x[1], x[1], past, *width.dividedBy(heads), *valueWidth.dividedBy(heads)};
}

Status inferAttention(const OpView& op, ResultShapes& results) {
  SW_ASSIGN_OR_RETURN(const Sizes s, attentionSizes(op));
  SW_RETURN_IF_ERROR(requireEqual(op, op.dims(kInput)[2], op.dims(kWeights)[0], "the contracted sizes"));
  SW_RETURN_IF_ERROR(checkMasks(op, s, kMaskIndex, kAttentionBias));
  const TensorShape all[] = {{op.dtype(kInput), {s.batch, s.queries, s.heads * s.valueSize}},
                             {op.dtype(kInput), {2, s.batch, s.heads, s.total(), s.headSize}}};
  results.assign(all, all + op.numResults());
  return {};
}

Values expandAttention(mlir::OpBuilder& builder, const OpView& op) {
  NodeBuilder n(builder, op);
  const Sizes s = *attentionSizes(op);
  const auto [width, valueWidth] = widthsOf(op);
  mlir::Value packed = n.node("MatMul", {n.operand(kInput), n.operand(kWeights)});
  if (op.has(kBias)) packed = n.add(packed, n.operand(kBias));
  Values parts = n.nodes("Split", 3, {packed, n.exprs({width, width, valueWidth})}, {{"axis", n.intAttr(2)}});
  mlir::Value q = inHeads(n, parts[0], s, s.queries, s.headSize), k = inHeads(n, parts[1], s, s.keys, s.headSize),
              v = inHeads(n, parts[2], s, s.keys, s.valueSize);
  auto past = [&](int64_t which) {
    return n.node("Squeeze", {n.slice(n.operand(kPast), 0, which, which + 1), n.ints({0})});
  };
  if (op.has(kPast)) {
    k = n.concat({past(0), k}, 2);
    v = n.concat({past(1), v}, 2);
  }
  mlir::Value mask = MaskBuilder(n, op, s).build(kMaskIndex, kAttentionBias, op.intAttr("unidirectional", 0) != 0);
  Values results = {attend(n, op, s, q, k, v, mask)};
  auto stacked = [&](mlir::Value value) { return n.node("Unsqueeze", {value, n.ints({0})}); };
  if (op.numResults() > 1) results.push_back(n.concat({stacked(k), stacked(v)}, 0));
  return results;
}

// --- MultiHeadAttention: queries, keys and values come apart, as [batch, length, width], keys and values also by head. -----------------

enum MultiHead { kQuery, kKey, kValue, kQkvBias, kPaddingMask, kScoreBias, kPastKey, kPastValue, kPastSequence };

StatusOr<Sizes> multiHeadSizes(const OpView& op) {
  if (op.has(kPastSequence)) return nodeError(op, "shares a buffer with its past, which is not supported");
  const Exprs q = op.dims(kQuery), k = op.dims(kKey), v = op.dims(kValue);
  if (q.size() != 3 || k.size() != v.size() || (k.size() != 3 && k.size() != 4))
    return nodeError(op,
                     "has queries, keys and values of sizes " + str(q) + ", " + str(k) + " and " + str(v) +
                         "; supported are [batch, length, width], and of keys and values [batch, heads, length, size]");
  SW_ASSIGN_OR_RETURN(const Expr heads, headsOf(op, q[2]));
  const Expr past = op.has(kPastKey) ? op.dims(kPastKey)[2] : Expr(0), size = *q[2].dividedBy(heads);
  if (k.size() == 4) return Sizes{q[0], heads, q[1], k[2], past, size, v[3]};
  SW_RETURN_IF_ERROR(headsOf(op, v[2]).status());
  return Sizes{q[0], heads, q[1], k[1], past, size, *v[2].dividedBy(heads)};
}

Status inferMultiHead(const OpView& op, ResultShapes& results) {
  SW_ASSIGN_OR_RETURN(const Sizes s, multiHeadSizes(op));
  SW_RETURN_IF_ERROR(checkMasks(op, s, kPaddingMask, kScoreBias));
  if (op.has(kQkvBias) && op.rank(kKey) != 3) return nodeError(op, "has a bias of keys that are given by head");
  if (op.numResults() > 3) return nodeError(op, "gives its scores, which is not supported");
  const DType type = op.dtype(kQuery);
  const TensorShape all[] = {{type, {s.batch, s.queries, s.heads * s.valueSize}},
                             {type, {s.batch, s.heads, s.total(), s.headSize}},
                             {type, {s.batch, s.heads, s.total(), s.valueSize}}};
  results.assign(all, all + op.numResults());
  return {};
}

Values expandMultiHead(mlir::OpBuilder& builder, const OpView& op) {
  NodeBuilder n(builder, op);
  const Sizes s = *multiHeadSizes(op);
  const Expr width = s.heads * s.headSize;
  // The bias of queries, keys and values is one vector.
  auto part = [&](int operand, Expr biasBegin, Expr length, Expr size) {
    mlir::Value x = n.operand(operand);
    if (op.rank(operand) == 4) return x;
    if (op.has(kQkvBias)) x = n.add(x, n.slice(n.operand(kQkvBias), 0, biasBegin, biasBegin + s.heads * size));
    return inHeads(n, x, s, length, size);
  };
  mlir::Value q = part(kQuery, 0, s.queries, s.headSize), k = part(kKey, width, s.keys, s.headSize),
              v = part(kValue, width * 2, s.keys, s.valueSize);
  if (op.has(kPastKey)) k = n.concat({n.operand(kPastKey), k}, 2);
  if (op.has(kPastValue)) v = n.concat({n.operand(kPastValue), v}, 2);
  mlir::Value mask = MaskBuilder(n, op, s).build(kPaddingMask, kScoreBias, op.intAttr("unidirectional", 0) != 0);
  Values results = {attend(n, op, s, q, k, v, mask), k, v};
  results.resize(op.numResults());
  return results;
}

// --- RotaryEmbedding: as ONNX's, with the operands in another order and, where there is one position, that of the first token. -------

enum Rotary { kX, kPositionIds, kCos, kSin };

int64_t rotaryHeads(const OpView& op) {
  if (op.rank(kX) == 4 || op.intAttr("num_heads", 0)) return op.intAttr("num_heads", 0);
  const std::optional<int64_t> width = op.dims(kX)[2].constant(), half = op.dims(kCos)[1].constant();
  return width && half && *half ? *width / (2 * *half) : 0;
}

Status inferRotary(const OpView& op, ResultShapes& results) {
  if (op.intAttr("is_packed_batching", 0) || (op.rank(kX) != 3 && op.rank(kX) != 4) || op.rank(kCos) != 2)
    return nodeError(op, "needs an input of rank 3 or 4 that is not packed, and tables of rank 2");
  if (op.floatAttr("scale", 1) != 1) return nodeError(op, "has a scale other than 1, which is not supported");
  if (op.rank(kX) == 3 && rotaryHeads(op) == 0) return nodeError(op, "needs the attribute num_heads");
  return allResults(op, op.operand(kX), results);
}

Values expandRotary(mlir::OpBuilder& builder, const OpView& op) {
  NodeBuilder n(builder, op);
  const Exprs x = op.dims(kX);
  const Expr length = op.rank(kX) == 4 ? x[2] : x[1];
  mlir::Value positions = n.operand(kPositionIds);
  if (op.rank(kPositionIds) == 1) {
    mlir::Value range = n.node("Range", {n.expr(Expr(0)), n.expr(length), n.expr(Expr(1))});
    positions = n.expand(n.add(n.cast(positions, DType::kInt64), range), {x[0], length});
  }
  return {n.node("RotaryEmbedding", {n.operand(kX), n.operand(kCos), n.operand(kSin), positions},
                 {{"interleaved", n.intAttr(op.intAttr("interleaved", 0))},
                  {"num_heads", n.intAttr(rotaryHeads(op))},
                  {"rotary_embedding_dim", n.intAttr(op.intAttr("rotary_embedding_dim", 0))}})};
}

}  // namespace

llvm::ArrayRef<Row> contribAttentionRows() {
  static const std::vector<Row> kRows = {
      expandedOnImport("Attention", inferAttention, expandAttention, kDomain),
      expandedOnImport("MultiHeadAttention", inferMultiHead, expandMultiHead, kDomain),
      expandedOnImport("RotaryEmbedding", inferRotary, expandRotary, kDomain),
  };
  return kRows;
}

}  // namespace shardwright
