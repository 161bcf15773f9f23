// Rows of elementwise ops of one operand that are one scalar operation, and of casts. Activations are in activation.cc.
#include "compiler/ops/families.h"
#include "compiler/ops/node_builder.h"
#include "compiler/ops/shape_functions.h"

namespace shardwright {
namespace {

template <ScalarOp Op>
std::vector<int> scalar(BodyBuilder& b, const OpView&, const std::vector<int>& in) {
  return {b.unary(Op, in[0])};
}

Row unary(const char* name, std::vector<int> (*build)(BodyBuilder&, const OpView&, const std::vector<int>&)) {
  Row row;
  row.name = name;
  row.rule = "... -> ...";
  row.flopsPerPoint = 1;
  row.lowering = ScalarBody{build};
  return row;
}

// Transcendental functions cost some ten multiply-adds.
template <ScalarOp Op>
Row transcendental(const char* name) {
  Row row = unary(name, scalar<Op>);
  row.flopsPerPoint = 20;
  return row;
}

std::vector<int> isNaNBody(BodyBuilder& b, const OpView&, const std::vector<int>& in) {
  return {b.node(ScalarOp::kIsNaN, DType::kBool, {in[0]})};
}

std::vector<int> isInfBody(BodyBuilder& b, const OpView& op, const std::vector<int>& in) {
  const int isInf = b.node(ScalarOp::kIsInf, DType::kBool, {in[0]});
  const bool positive = op.intAttr("detect_positive", 1), negative = op.intAttr("detect_negative", 1);
  if (positive && negative) return {isInf};
  if (!positive && !negative) return {b.constant(0, DType::kBool)};
  const int zero = b.constant(0, b.dtypeOf(in[0]));
  return {b.binary(ScalarOp::kAnd, isInf, b.binary(positive ? ScalarOp::kGreater : ScalarOp::kLess, in[0], zero))};
}

Row predicate(const char* name, std::vector<int> (*build)(BodyBuilder&, const OpView&, const std::vector<int>&)) {
  Row row = unary(name, build);
  row.infer = inferBool;
  return row;
}

std::vector<int> identityBody(BodyBuilder&, const OpView&, const std::vector<int>& in) { return {in[0]}; }

std::optional<Exprs> valueOfOperand(const OpView& op) { return op.value(0); }

std::optional<Exprs> negValue(const OpView& op) {
  std::optional<Exprs> value = op.value(0);
  if (value)
    for (Expr& e : *value) e = Expr(0) - e;
  return value;
}

std::optional<SymbolicView> sameView(const OpView&, int, const SymbolicView& operand, llvm::ArrayRef<Expr>) {
  return operand;
}

Row identity() {
  Row row = unary("Identity", identityBody);
  row.flopsPerPoint = 0;
  row.inferValue = valueOfOperand;
  row.valueMoves = true;
  row.linearIn = 1;
  row.lowering = ViewBody{sameView};
  return row;
}

Row neg() {
  Row row = unary("Neg", scalar<ScalarOp::kNeg>);
  row.inferValue = negValue;
  row.linearIn = 1;
  return row;
}

// Casts.

Status inferCast(const OpView& op, ResultShapes& results) {
  const auto type = static_cast<DType>(op.intAttr("to", 0));
  if (op.dtype(0) == DType::kString || type == DType::kString || !elementType(op.operation()->getContext(), type))
    return nodeError(op, "casts from " + std::string(dtypeName(op.dtype(0))) + " to " + std::string(dtypeName(type)) +
                             ", and such element types are not supported");
  return allResults(op, {type, op.dims(0)}, results);
}

// Values of shape computations are int64 or int32 throughout, or bool as 0 and 1; on the way they
// may be floats (size_fractions.h).
std::optional<Exprs> castValue(const OpView& op) {
  const auto type = static_cast<DType>(op.intAttr("to", 0));
  if (type == DType::kBool && op.dtype(0) != DType::kBool) {
    const std::optional<std::vector<int64_t>> numbers = op.constantInts(0);
    if (!numbers) return std::nullopt;
    Exprs truths;
    for (int64_t number : *numbers) truths.push_back(number != 0);
    return truths;
  }
  if (type != DType::kBool && type != DType::kInt64 && type != DType::kInt32) return std::nullopt;
  if (!isFloat(op.dtype(0))) return op.value(0);
  const std::optional<SizeFractions> fractions = sizeFractions(op, 0);
  return fractions ? truncated(op, *fractions) : std::nullopt;
}

std::vector<int> castBody(BodyBuilder& b, const OpView& op, const std::vector<int>& in) {
  return {b.cast(in[0], static_cast<DType>(op.intAttr("to", 0)))};
}

Row cast() {
  Row row = unary("Cast", castBody);
  row.flopsPerPoint = 0;
  row.infer = inferCast;
  row.inferValue = castValue;
  row.inferFractions = castFractions;
  return row;
}

Status inferCastLike(const OpView& op, ResultShapes& results) {
  return allResults(op, {op.dtype(1), op.dims(0)}, results);
}

std::string castLikeRule(const OpView& op) {
  std::string rule = "...,";
  for (int i = 0; i < op.rank(1); ++i) rule += " !t" + std::to_string(i);
  return rule + " -> ...";
}

std::vector<mlir::Value> expandCastLike(mlir::OpBuilder& builder, const OpView& op) {
  NodeBuilder n(builder, op);
  return {n.cast(n.operand(0), op.dtype(1))};
}

Row castLike() {
  Row row;
  row.name = "CastLike";
  row.ruleFor = castLikeRule;
  row.infer = inferCastLike;
  row.lowering = ExpandBody{expandCastLike};
  return row;
}

// Truth is 0 or 1.
std::optional<Exprs> negatedValue(const OpView& op) {
  std::optional<Exprs> value = op.value(0);
  if (!value) return std::nullopt;
  for (Expr& e : *value) e = Expr(1) - e;
  return value;
}

Row negation() {
  Row row = unary("Not", scalar<ScalarOp::kNot>);
  row.inferValue = negatedValue;
  return row;
}

}  // namespace

llvm::ArrayRef<Row> unaryRows() {
  static const std::vector<Row> kRows = {
      unary("Abs", scalar<ScalarOp::kAbs>),
      unary("Sqrt", scalar<ScalarOp::kSqrt>),
      unary("Reciprocal", scalar<ScalarOp::kReciprocal>),
      withFractions(unary("Floor", scalar<ScalarOp::kFloor>), floorFractions),
      withFractions(unary("Ceil", scalar<ScalarOp::kCeil>), ceilFractions),
      unary("Round", scalar<ScalarOp::kRound>),
      unary("Sign", scalar<ScalarOp::kSign>),
      negation(),
      unary("BitwiseNot", scalar<ScalarOp::kBitNot>),
      transcendental<ScalarOp::kExp>("Exp"),
      transcendental<ScalarOp::kLog>("Log"),
      transcendental<ScalarOp::kErf>("Erf"),
      transcendental<ScalarOp::kTanh>("Tanh"),
      transcendental<ScalarOp::kSigmoid>("Sigmoid"),
      transcendental<ScalarOp::kSin>("Sin"),
      transcendental<ScalarOp::kCos>("Cos"),
      transcendental<ScalarOp::kTan>("Tan"),
      transcendental<ScalarOp::kAsin>("Asin"),
      transcendental<ScalarOp::kAcos>("Acos"),
      transcendental<ScalarOp::kAtan>("Atan"),
      transcendental<ScalarOp::kSinh>("Sinh"),
      transcendental<ScalarOp::kCosh>("Cosh"),
      transcendental<ScalarOp::kAsinh>("Asinh"),
      transcendental<ScalarOp::kAcosh>("Acosh"),
      transcendental<ScalarOp::kAtanh>("Atanh"),
      predicate("IsNaN", isNaNBody),
      predicate("IsInf", isInfBody),
      neg(),
      identity(),
      cast(),
      castLike(),
  };
  return kRows;
}

}  // namespace shardwright
