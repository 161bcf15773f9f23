#include "compiler/ops/fused_attention.h"

#include <limits>

#include "compiler/ops/node_builder.h"
#include "compiler/ops/shape_functions.h"

namespace shardwright {
namespace {

enum Operand { kQuery, kKey, kValue, kMask };

Status infer(const OpView& op, ResultShapes& results) {
  for (int i : {kQuery, kKey, kValue})
    if (op.rank(i) != 4) return nodeError(op, "needs operands of rank 4");
  const Exprs q = op.dims(kQuery), k = op.dims(kKey), v = op.dims(kValue);
  for (auto [a, b] : {std::pair(q[0], k[0]), {q[0], v[0]}, {k[1], v[1]}, {k[2], v[2]}, {q[3], k[3]}}) {
    if (provablyDifferent(a, b, op.facts()))
      return nodeError(op, "has the sizes " + str(q) + ", " + str(k) + " and " + str(v) + ", which do not fit");
    op.assumeEqual(a, b);
  }
  if (!q[1].dividedBy(k[1])) return nodeError(op, "has query heads that are no multiple of its key heads");
  return allResults(op, {op.dtype(kQuery), {q[0], q[1], q[2], v[3]}}, results);
}

// Keys (t) and what is contracted (d) may be split only through the expansion, as a softmax lies between.
std::string ruleText(const OpView& op) {
  const Exprs q = op.dims(kQuery), k = op.dims(kKey);
  const bool shared = k[1] == Expr(1), grouped = q[1] != k[1] && !shared;
  const std::string heads = grouped ? "(g r={" + q[1].dividedBy(k[1])->str() + "})" : "g", keys = shared ? "1" : "g";
  std::string rule = "b " + heads + " s @d, b " + keys + " @t @d, b " + keys + " @t e";
  if (op.has(kMask)) {
    const std::string names[] = {"b", heads, "s", "@t"};
    const Exprs mask = op.dims(kMask);
    rule += ",";
    for (size_t i = 0; i < mask.size(); ++i)
      rule += " " + (mask[i] == Expr(1) ? std::string("1") : names[4 - mask.size() + i]);
  } else if (op.numOperands() > kMask) {
    rule += ", -";
  }
  return rule + " -> b " + heads + " s e";
}

KernelCall call(const OpView& op) {
  KernelCall call;
  call.kernel = "attention";
  call.attrs = {{"scale", op.floatAttr("scale", 1)},
                {"softcap", op.floatAttr("softcap", 0)},
                {"empty_rows", op.stringAttr("empty_rows", "zeros")}};
  call.operands = {kQuery, kKey, kValue};
  if (op.has(kMask)) call.operands.push_back(kMask);
  call.resultOrder = {0, 2, 1, 3};  // heads are merged next, as a rule
  return call;
}

// Scores of [b, g, r, s, t], so that keys and values of a group are read, never repeated. From the scores to the weights all is
// computed in float32, as the kernel does.
std::vector<mlir::Value> expand(mlir::OpBuilder& builder, const OpView& op) {
  NodeBuilder n(builder, op);
  const Exprs q = op.dims(kQuery), k = op.dims(kKey);
  const DType type = op.dtype(kQuery), computed = accumulationType(type);
  const bool grouped = q[1] != k[1];
  mlir::Value query = n.mul(n.operand(kQuery), op.floatAttr("scale", 1)), key = n.operand(kKey),
              value = n.operand(kValue);
  if (grouped) {
    query = n.reshape(query, {q[0], k[1], *q[1].dividedBy(k[1]), q[2], q[3]});
    key = n.node("Unsqueeze", {key, n.ints({2})});
    value = n.node("Unsqueeze", {value, n.ints({2})});
  }
  mlir::Value scores =
      n.node("MatMul", {query, grouped ? n.transpose(key, {0, 1, 2, 4, 3}) : n.transpose(key, {0, 1, 3, 2})});
  if (grouped) scores = n.reshape(scores, {q[0], q[1], q[2], k[2]});
  scores = n.cast(scores, computed);
  if (const double cap = op.floatAttr("softcap", 0); cap != 0)
    scores = n.mul(n.node("Tanh", {n.mul(scores, 1 / cap)}), cap);
  const bool uniform = op.stringAttr("empty_rows", "zeros") == "uniform";
  if (op.has(kMask) && op.dtype(kMask) == DType::kBool) {
    mlir::Value hidden = n.scalar(uniform ? -3.3e38 : -std::numeric_limits<double>::infinity(), computed);
    scores = n.node("Where", {n.operand(kMask), scores, hidden});
  } else if (op.has(kMask)) {
    scores = n.add(scores, n.cast(n.operand(kMask), computed));
  }
  mlir::Value weights = n.node("Softmax", {scores}, {{"axis", n.intAttr(-1)}});
  if (!uniform) weights = n.node("Where", {n.node("IsNaN", {weights}), n.scalar(0, computed), weights});
  weights = n.cast(weights, type);
  if (grouped) weights = n.reshape(weights, {q[0], k[1], *q[1].dividedBy(k[1]), q[2], k[2]});
  mlir::Value y = n.node("MatMul", {weights, value});
  return {grouped ? n.reshape(y, op.result(0).dims) : y};
}

}  // namespace

Row fusedAttentionRow() {
  Row row;
  row.name = "FusedAttention";
  row.domain = "shardwright";
  row.ruleFor = ruleText;
  row.infer = infer;
  // 2·(d + e) operations for each of b·h·s·t scores, told to a cost model that counts points of b·h·s·t·d·e, at d = e = 64.
  row.flopsPerPoint = 4.0 / 64;
  row.lowering = KernelBody{call};
  row.decomposition = ExpandBody{expand};
  return row;
}

}  // namespace shardwright
