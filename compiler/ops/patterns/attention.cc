// Attention written as products and a softmax.
#include "compiler/onnx/onnx_dialect.h"
#include "compiler/ops/fused_attention.h"
#include "compiler/ops/patterns/patterns.h"

namespace shardwright {
namespace {

// A value and the constant that it is multiplied by.
struct Scaled {
  mlir::Value value;
  double scale = 1;
};

Scaled withoutScale(mlir::Value value, const Facts& facts) {
  Scaled scaled{value};
  while (true) {
    mlir::Operation* mul = producer(scaled.value, "Mul");
    mlir::Operation* op = mul ? mul : producer(scaled.value, "Div");
    if (!op) return scaled;
    OpView view(op, facts);
    int constant = view.constantScalar(1) ? 1 : mul && view.constantScalar(0) ? 0 : -1;
    // Beside a scalar the other operand has the result's dims.
    if (constant < 0 || view.result(0).dims != view.dims(1 - constant)) return scaled;
    double factor = *view.constantScalar(constant);
    if (!mul && factor == 0) return scaled;
    scaled.scale *= mul ? factor : 1 / factor;
    scaled.value = op->getOperand(1 - constant);
  }
}

// What repeat_kv repeated: Reshape [b,g·r,t,d] of Expand [b,g,r,t,d] of [b,g,1,t,d] of this; else the value.
mlir::Value withoutRepeats(NodeBuilder& build, mlir::Value value) {
  mlir::Operation* reshape = producer(value, "Reshape");
  mlir::Operation* expand = reshape ? producer(reshape->getOperand(0), "Expand") : nullptr;
  if (!expand) return value;
  Exprs apart = build.dims(expand->getOperand(0)), repeated = build.dims(expand->getResult(0)),
        merged = build.dims(value);
  if (apart.size() != 5 || repeated.size() != 5 || merged.size() != 4 || apart[2] != Expr(1)) return value;
  for (int i : {0, 1, 3, 4})
    if (apart[i] != repeated[i]) return value;
  if (merged[0] != apart[0] || merged[1] != repeated[1] * repeated[2] || merged[2] != apart[3]) return value;
  return build.reshape(expand->getOperand(0), {apart[0], apart[1], apart[3], apart[4]});
}

struct Mask {
  mlir::Value value;       // added, or says what is seen; null: none
  bool isNegated = false;  // says what is hidden
  bool uniform = false;    // a query that sees nothing weighs all keys equally
};

// Where(seen, 0, lowest), as exporters make masks that are added, says what is seen; any other mask is added as it is.
Mask maskOf(mlir::Value added, bool nanBecomesZero, const Facts& facts) {
  Mask mask{added, false, !nanBecomesZero};
  mlir::Operation* where = producer(added, "Where");
  if (!where) return mask;
  OpView view(where, facts);
  std::optional<double> ifTrue = view.constantScalar(1), ifFalse = view.constantScalar(2);
  if (!ifTrue || !ifFalse || (*ifTrue == 0) == (*ifFalse == 0) || view.dims(0) != view.result(0).dims) return mask;
  double hidden = *ifTrue == 0 ? *ifFalse : *ifTrue;
  // Finite numbers must swallow any score in float32, in which scores are computed whatever their type (-65504, the lowest
  // float16, does not: a query that sees nothing then weighs keys by their scores); -inf makes rows of NaN, which only
  // "zeros" replaces.
  bool isFinite = hidden >= -3.4028235e38;
  if (hidden > -1e30 || (!isFinite && !nanBecomesZero)) return mask;
  return {where->getOperand(0), *ifTrue != 0, isFinite};
}

// Whether a mask of this content hides nothing: exporters of attention without a mask write one of constant truth.
bool seesAll(mlir::Value seen) {
  while (mlir::Operation* op = producer(seen, "Expand")) seen = op->getOperand(0);
  auto constant = seen.getDefiningOp<ConstantOp>();
  return constant && constant.value().getElementType().isInteger(1) && constant.value().isSplat() &&
         constant.value().getSplatValue<bool>();
}

struct Probabilities {
  mlir::Operation* softmax = nullptr;
  bool nanBecomesZero = false;
};

// Softmax over the last dim, or Where(IsNaN(p), 0, p) of it, read by one op.
Probabilities probabilitiesOf(mlir::Value value, const Facts& facts) {
  if (!value.hasOneUse()) return {};
  Probabilities result;
  if (mlir::Operation* where = producer(value, "Where")) {
    mlir::Operation* isNan = producer(where->getOperand(0), "IsNaN");
    value = where->getOperand(2);
    if (!isNan || isNan->getOperand(0) != value || OpView(where, facts).constantScalar(1) != 0.0) return {};
    if (!llvm::all_of(value.getUsers(), [&](mlir::Operation* user) { return user == isNan || user == where; }))
      return {};
    result.nanBecomesZero = true;
  }
  mlir::Operation* softmax = producer(value, "Softmax");
  if (!softmax) return {};
  OpView view(softmax, facts);
  if (view.axisAttr("axis", -1, view.rank(0)) == view.rank(0) - 1) result.softmax = softmax;
  return result;
}

// Softmax(scale · Q · transposed K + mask) · V, with the scale on any of the three and keys and values repeated for groups of
// heads, is one op, which never holds the scores. Where the original has NaN, for queries that see nothing, it has numbers.
std::optional<std::vector<mlir::Value>> attention(NodeBuilder& build, const OpView& op) {
  DType type = op.dtype(0);
  if (op.rank(0) != 4 || op.rank(1) != 4 ||
      (type != DType::kFloat32 && type != DType::kFloat16 && type != DType::kBFloat16))
    return std::nullopt;
  const Facts& facts = op.facts();
  Probabilities p = probabilitiesOf(op.operation()->getOperand(0), facts);
  if (!p.softmax || OpView(p.softmax, facts).dtype(0) != type) return std::nullopt;
  mlir::Value scores = p.softmax->getOperand(0);
  Mask mask;
  mask.uniform = !p.nanBecomesZero;
  if (mlir::Operation* add = producer(scores, "Add")) {
    int product = producer(withoutScale(add->getOperand(0), facts).value, "MatMul") ? 0 : 1;
    if (!scores.hasOneUse() || build.dims(add->getOperand(product)) != build.dims(scores)) return std::nullopt;
    mask = maskOf(add->getOperand(1 - product), p.nanBecomesZero, facts);
    scores = add->getOperand(product);
  }
  Scaled scaled = withoutScale(scores, facts);
  mlir::Operation* product = producer(scaled.value, "MatMul");
  if (!product || !product->hasOneUse()) return std::nullopt;
  Scaled query = withoutScale(product->getOperand(0), facts), transposed = withoutScale(product->getOperand(1), facts);
  if (build.dims(query.value).size() != 4 || build.dims(transposed.value).size() != 4) return std::nullopt;
  mlir::Value key;
  double scale = scaled.scale * query.scale * transposed.scale;
  mlir::Operation* transpose = producer(transposed.value, "Transpose");
  auto perm = transpose ? transpose->getAttrOfType<mlir::DenseI64ArrayAttr>("perm") : mlir::DenseI64ArrayAttr();
  if (perm && perm.asArrayRef() == llvm::ArrayRef<int64_t>({0, 1, 3, 2})) {
    Scaled whole = withoutScale(transpose->getOperand(0), facts);
    scale *= whole.scale;
    key = whole.value;
  } else {
    key = build.transpose(transposed.value, {0, 1, 3, 2});
  }
  mlir::Value value = op.operation()->getOperand(1);
  mlir::Value fewKeys = withoutRepeats(build, key), fewValues = withoutRepeats(build, value);
  if (build.dims(fewKeys)[1] == build.dims(fewValues)[1]) {
    key = fewKeys;
    value = fewValues;
  }
  if (mask.value && !mask.isNegated && seesAll(mask.value)) mask.value = mlir::Value();
  if (mask.isNegated) mask.value = build.node("Not", {mask.value});
  return std::vector<mlir::Value>{build.node(
      kFusedAttention, {query.value, key, value, mask.value},
      {{"scale", build.floatAttr(scale)}, {"empty_rows", build.stringAttr(mask.uniform ? "uniform" : "zeros")}})};
}

}  // namespace

llvm::ArrayRef<Pattern> attentionPatterns() {
  static const Pattern kPatterns[] = {
      {"attention", "MatMul", attention},
  };
  return kPatterns;
}

}  // namespace shardwright
