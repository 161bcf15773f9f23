// Rows of attention: Attention and RotaryEmbedding, which import writes as products, softmax and elementwise ops, so that heads,
// groups of heads, sequences and batch split as those do.
#include "compiler/ops/expansion.h"
#include "compiler/ops/families.h"
#include "compiler/ops/fused_attention.h"
#include "compiler/ops/node_builder.h"
#include "compiler/ops/shape_functions.h"

#include <cmath>
#include <limits>

namespace shardwright {
namespace {

enum AttentionOperand { kQuery, kKey, kValue, kMask, kPastKey, kPastValue, kValidLength };

// Sizes of one attention in its 4-D form.
struct Heads {
  Expr batch, queryHeads, keyHeads, queries, keys, past, headSize, valueSize;
};

StatusOr<Expr> headCount(const OpView& op, llvm::StringRef attr) {
  const int64_t count = op.intAttr(attr, 0);
  if (count > 0) return Expr(count);
  return nodeError(op, "has 3-D operands and no attribute " + attr.str() + ", which then is needed");
}

StatusOr<Heads> headsOf(const OpView& op) {
  const Exprs q = op.dims(kQuery), k = op.dims(kKey), v = op.dims(kValue);
  Heads h;
  if (q.size() == 4 && k.size() == 4 && v.size() == 4) {
    h = {q[0], q[1], k[1], q[2], k[2], Expr(0), q[3], v[3]};
  } else if (q.size() == 3 && k.size() == 3 && v.size() == 3) {
    SW_ASSIGN_OR_RETURN(const Expr queryHeads, headCount(op, "q_num_heads"));
    SW_ASSIGN_OR_RETURN(const Expr keyHeads, headCount(op, "kv_num_heads"));
    h = {q[0],
         queryHeads,
         keyHeads,
         q[1],
         k[1],
         Expr(0),
         Expr::floorDiv(q[2], queryHeads),
         Expr::floorDiv(v[2], keyHeads)};
  } else {
    return nodeError(op, "needs Q, K and V all of rank 4 or all of rank 3, and has ranks " + std::to_string(q.size()) +
                             ", " + std::to_string(k.size()) + " and " + std::to_string(v.size()));
  }
  if (op.has(kPastKey)) h.past = op.dims(kPastKey)[2];
  if (!h.queryHeads.dividedBy(h.keyHeads))
    return nodeError(op, "has " + h.queryHeads.str() + " query heads, which is no multiple of its " + h.keyHeads.str() +
                             " key heads");
  return h;
}

Status inferAttention(const OpView& op, ResultShapes& results) {
  SW_ASSIGN_OR_RETURN(const Heads h, headsOf(op));
  const Expr total = op.facts().simplify(h.past + h.keys);
  if (op.has(kMask) && op.rank(kMask) > 0)
    if (const Expr length = op.dims(kMask).back(); length != Expr(1) && !provablyDifferent(length, total, op.facts()))
      op.assumeEqual(length, total);
  const DType type = op.dtype(kQuery);
  TensorShape y{type, {h.batch, h.queryHeads, h.queries, h.valueSize}};
  if (op.rank(kQuery) == 3) y.dims = {h.batch, h.queries, h.queryHeads * h.valueSize};
  const TensorShape all[] = {y,
                             {op.dtype(kKey), {h.batch, h.keyHeads, total, h.headSize}},
                             {op.dtype(kValue), {h.batch, h.keyHeads, total, h.valueSize}},
                             {type, {h.batch, h.queryHeads, h.queries, total}}};
  results.assign(all, all + op.numResults());
  return Status();
}

// Builds the expansion. Heads of queries are [key heads, group], so that keys and values of a group are read, never repeated.
class AttentionExpansion {
 public:
  AttentionExpansion(mlir::OpBuilder& builder, const OpView& op, const Heads& heads)
      : n_(builder, op),
        op_(op),
        h_(heads),
        type_(op.dtype(kQuery)),
        total_(op.facts().simplify(heads.past + heads.keys)) {}

  std::vector<mlir::Value> run() {
    if (canFuse()) return fused();
    const Expr group = *h_.queryHeads.dividedBy(h_.keyHeads);
    const bool grouped = group != Expr(1);
    mlir::Value key = withPast(inHeads(kKey, h_.keyHeads, h_.keys, h_.headSize), kPastKey);
    mlir::Value value = withPast(inHeads(kValue, h_.keyHeads, h_.keys, h_.valueSize), kPastValue);
    mlir::Value query = n_.mul(inHeads(kQuery, h_.queryHeads, h_.queries, h_.headSize), scale());
    mlir::Value keyOfGroup = key, valueOfGroup = value;
    if (grouped) {
      query = n_.reshape(query, {h_.batch, h_.keyHeads, group, h_.queries, h_.headSize});
      keyOfGroup = n_.node("Unsqueeze", {key, n_.ints({2})});
      valueOfGroup = n_.node("Unsqueeze", {value, n_.ints({2})});
    }
    mlir::Value transposed = grouped ? n_.transpose(keyOfGroup, {0, 1, 2, 4, 3}) : n_.transpose(key, {0, 1, 3, 2});
    mlir::Value scores = n_.node("MatMul", {query, transposed});
    if (grouped) scores = n_.reshape(scores, {h_.batch, h_.queryHeads, h_.queries, total_});
    mlir::Value stages[4] = {scores};
    stages[1] = capped(scores);
    stages[2] = masked(stages[1]);
    stages[3] = softmax(stages[2]);
    mlir::Value weights = stages[3];
    if (grouped) weights = n_.reshape(weights, {h_.batch, h_.keyHeads, group, h_.queries, total_});
    mlir::Value y = n_.node("MatMul", {weights, valueOfGroup});
    if (grouped) y = n_.reshape(y, {h_.batch, h_.queryHeads, h_.queries, h_.valueSize});
    if (op_.rank(kQuery) == 3) y = n_.reshape(n_.transpose(y, {0, 2, 1, 3}), op_.result(0).dims);
    std::vector<mlir::Value> results = {y, key, value, stages[op_.intAttr("qk_matmul_output_mode", 0)]};
    results.resize(op_.numResults());
    return results;
  }

 private:
  mlir::Value inHeads(int operand, Expr heads, Expr length, Expr size) {
    mlir::Value x = n_.operand(operand);
    if (op_.rank(operand) == 4) return x;
    return n_.transpose(n_.reshape(x, {h_.batch, length, heads, size}), {0, 2, 1, 3});
  }

  mlir::Value withPast(mlir::Value present, int past) {
    return op_.has(past) ? n_.concat({n_.operand(past), present}, 2) : present;
  }

  // One kernel does it where nobody wants the scores.
  bool canFuse() const {
    const bool wantsScores = op_.numResults() > 3 && !op_.operation()->getResult(3).use_empty();
    return !wantsScores && (type_ == DType::kFloat32 || type_ == DType::kFloat16 || type_ == DType::kBFloat16);
  }

  std::vector<mlir::Value> fused() {
    mlir::Value key = withPast(inHeads(kKey, h_.keyHeads, h_.keys, h_.headSize), kPastKey);
    mlir::Value value = withPast(inHeads(kValue, h_.keyHeads, h_.keys, h_.valueSize), kPastValue);
    mlir::Value query = inHeads(kQuery, h_.queryHeads, h_.queries, h_.headSize);
    mlir::Value mask = op_.has(kMask) ? fullMask() : mlir::Value(), visible = visibleKeys();
    const bool isBool = op_.has(kMask) && op_.dtype(kMask) == DType::kBool;
    if (mask && !isBool) mask = n_.cast(mask, type_);
    if (mask && visible)
      mask = isBool ? n_.node("And", {mask, visible}) : n_.node("Where", {visible, mask, minusInfinity()});
    mlir::Value y = n_.node(kFusedAttention, {query, key, value, mask ? mask : visible},
                            {{"scale", n_.floatAttr(scale())},
                             {"softcap", n_.floatAttr(op_.floatAttr("softcap", 0))},
                             {"empty_rows", n_.stringAttr("zeros")}});
    if (op_.rank(kQuery) == 3) y = n_.reshape(n_.transpose(y, {0, 2, 1, 3}), op_.result(0).dims);
    std::vector<mlir::Value> results = {y, key, value, mlir::Value()};
    results.resize(op_.numResults());
    return results;
  }

  double scale() const {
    const std::optional<int64_t> size = h_.headSize.constant();
    return op_.floatAttr("scale", 1 / std::sqrt(static_cast<double>(size.value_or(1))));
  }

  mlir::Value capped(mlir::Value scores) {
    const double cap = op_.floatAttr("softcap", 0);
    return cap == 0 ? scores : n_.mul(n_.node("Tanh", {n_.mul(scores, 1 / cap)}), cap);
  }

  mlir::Value minusInfinity() { return n_.scalar(-std::numeric_limits<double>::infinity(), type_); }

  // A mask may end before the last key; what is missing is masked.
  mlir::Value fullMask() {
    mlir::Value mask = n_.operand(kMask);
    const Expr length = op_.dims(kMask).back();
    if (length == Expr(1) || op_.facts().provablyEqual(length, total_) ||
        !provablyDifferent(length, total_, op_.facts())) {
      if (length != Expr(1)) op_.assumeEqual(length, total_);
      return mask;
    }
    Exprs pads(2 * op_.rank(kMask), Expr(0));
    pads.back() = total_ - length;
    mlir::Value fill = op_.dtype(kMask) == DType::kBool ? n_.scalar(0, DType::kBool) : minusInfinity();
    return n_.node("Pad", {mask, n_.exprs(pads), fill});
  }

  mlir::Value range(Expr extent) { return n_.node("Range", {n_.expr(Expr(0)), n_.expr(extent), n_.expr(Expr(1))}); }

  mlir::Value masked(mlir::Value scores) {
    if (op_.has(kMask)) {
      mlir::Value mask = fullMask();
      scores = op_.dtype(kMask) == DType::kBool ? n_.node("Where", {mask, scores, minusInfinity()})
                                                : n_.add(scores, n_.cast(mask, type_));
    }
    mlir::Value visible = visibleKeys();
    return visible ? n_.node("Where", {visible, scores, minusInfinity()}) : scores;
  }

  // What position alone allows, [batch or 1, 1, queries or 1, keys]; null if everything.
  mlir::Value visibleKeys() {
    const bool causal = op_.intAttr("is_causal", 0) != 0;
    const int64_t left = op_.intAttr("left_window_size", -1), right = op_.intAttr("right_window_size", -1);
    mlir::Value visible;
    auto require = [&](mlir::Value condition) { visible = visible ? n_.node("And", {visible, condition}) : condition; };
    mlir::Value keys = op_.has(kValidLength) || causal || left >= 0 || right >= 0 ? range(total_) : mlir::Value();
    mlir::Value valid;
    if (op_.has(kValidLength)) {
      valid = n_.node("Unsqueeze", {n_.operand(kValidLength), n_.ints({1, 2, 3})});
      require(n_.node("Less", {keys, valid}));
    }
    if (!causal && left < 0 && right < 0) return visible;
    mlir::Value queries = n_.node("Unsqueeze", {range(h_.queries), n_.ints({1})});
    mlir::Value position =
        valid ? n_.add(queries, n_.sub(valid, n_.expr(h_.queries))) : n_.add(queries, n_.expr(h_.past));
    if (causal) require(n_.node("LessOrEqual", {keys, position}));
    if (left >= 0) require(n_.node("GreaterOrEqual", {keys, n_.sub(position, n_.expr(Expr(left)))}));
    if (right >= 0) require(n_.node("LessOrEqual", {keys, n_.add(position, n_.expr(Expr(right)))}));
    return visible;
  }

  // A row without any visible key gives zeros: its maximum is taken as 0, and its sum, which else is at least exp(0), as 1.
  mlir::Value softmax(mlir::Value scores) {
    const DType given = static_cast<DType>(op_.intAttr("softmax_precision", 0));
    const DType computed = accumulationType(given == DType::kUndefined ? type_ : given);
    mlir::Value x = n_.cast(scores, computed);
    mlir::Value largest = n_.reduce("ReduceMax", x, {3});
    largest = n_.node("Where", {n_.node("IsInf", {largest}), n_.scalar(0, computed), largest});
    mlir::Value exponential = n_.node("Exp", {n_.sub(x, largest)});
    mlir::Value sum = n_.node("Max", {n_.reduce("ReduceSum", exponential, {3}), n_.scalar(1, computed)});
    return n_.cast(n_.div(exponential, sum), type_);
  }

  NodeBuilder n_;
  const OpView& op_;
  const Heads& h_;
  DType type_;
  Expr total_;
};

std::vector<mlir::Value> expandAttention(mlir::OpBuilder& builder, const OpView& op) {
  const StatusOr<Heads> heads = headsOf(op);
  return AttentionExpansion(builder, op, *heads).run();
}

// --- RotaryEmbedding. ------------------------------------------------------------------------------------------------------------

Status inferRotary(const OpView& op, ResultShapes& results) {
  if (op.rank(0) != 4 && op.rank(0) != 3)
    return nodeError(op, "needs rank 3 or 4, and has rank " + std::to_string(op.rank(0)));
  if (op.rank(0) == 3) SW_RETURN_IF_ERROR(headCount(op, "num_heads").status());
  return allResults(op, op.operand(0), results);
}

// x1·cos - x2·sin and x2·cos + x1·sin over the pairs (x1, x2) of the rotated part: its halves, or its even and odd elements.
std::vector<mlir::Value> expandRotary(mlir::OpBuilder& builder, const OpView& op) {
  NodeBuilder n(builder, op);
  const bool isFlat = op.rank(0) == 3, interleaved = op.intAttr("interleaved", 0) != 0;
  mlir::Value x = n.operand(0);
  if (isFlat) {
    const Exprs dims = op.dims(0);
    const Expr heads = Expr(op.intAttr("num_heads", 1));
    x = n.reshape(x, {dims[0], dims[1], heads, Expr::floorDiv(dims[2], heads)});
  }
  const Exprs dims = n.dims(x);
  const Expr size = dims.back();
  const Expr rotated = op.intAttr("rotary_embedding_dim", 0) ? Expr(op.intAttr("rotary_embedding_dim", 0)) : size;
  const Expr half = Expr::floorDiv(rotated, Expr(2));
  auto angle = [&](int operand) {
    mlir::Value table = n.operand(operand);
    if (op.has(3)) table = n.node("Gather", {table, n.operand(3)}, {{"axis", n.intAttr(0)}});
    return n.node("Unsqueeze", {table, n.ints({isFlat ? 2 : 1})});
  };
  auto part = [&](int64_t which) {
    if (!interleaved) return n.slice(x, 3, which ? half : Expr(0), which ? rotated : half);
    return n.node("Slice", {x, n.ints({which}), n.exprs({rotated}), n.ints({3}), n.ints({2})});
  };
  mlir::Value cos = angle(1), sin = angle(2), x1 = part(0), x2 = part(1);
  mlir::Value real = n.sub(n.mul(x1, cos), n.mul(x2, sin)), imaginary = n.add(n.mul(x1, sin), n.mul(x2, cos));
  mlir::Value y;
  if (interleaved) {
    auto apart = [&](mlir::Value value) { return n.node("Unsqueeze", {value, n.ints({4})}); };
    y = n.reshape(n.concat({apart(real), apart(imaginary)}, 4), {dims[0], dims[1], dims[2], rotated});
  } else {
    y = n.concat({real, imaginary}, 3);
  }
  if (rotated != size) y = n.concat({y, n.slice(x, 3, rotated, size)}, 3);
  return {isFlat ? n.reshape(y, op.dims(0)) : y};
}

}  // namespace

llvm::ArrayRef<Row> attentionRows() {
  static const std::vector<Row> kRows = {
      expandedOnImport("Attention", inferAttention, expandAttention),
      expandedOnImport("RotaryEmbedding", inferRotary, expandRotary),
      fusedAttentionRow(),
  };
  return kRows;
}

}  // namespace shardwright
