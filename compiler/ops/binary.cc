// Rows of elementwise ops of two or more operands, with broadcasting.
#include "compiler/ops/families.h"
#include "compiler/ops/shape_functions.h"

namespace shardwright {
namespace {

using Build = std::vector<int> (*)(BodyBuilder&, const OpView&, const std::vector<int>&);
using Value = std::optional<Exprs> (*)(const OpView&);

// "..., ..., ... -> ..." for as many operands as there are.
std::string variadicRule(const OpView& op) {
  std::string rule;
  for (int i = 0; i < op.numOperands(); ++i) rule += !op.has(i) ? (i ? ", -" : "-") : i ? ", ..." : "...";
  return rule + " -> ...";
}

template <ScalarOp Op>
std::vector<int> fold(BodyBuilder& b, const OpView&, const std::vector<int>& in) {
  int value = in[0];
  for (size_t i = 1; i < in.size(); ++i) value = b.binary(Op, value, in[i]);
  return {value};
}

Row binary(const char* name, Build build, uint32_t linearIn = 0, Value inferValue = nullptr) {
  Row row;
  row.name = name;
  row.rule = "..., ... -> ...";
  row.infer = inferBroadcast;
  row.inferValue = inferValue;
  row.linearIn = linearIn;
  row.flopsPerPoint = 1;
  row.lowering = ScalarBody{build};
  return row;
}

Row comparison(const char* name, Build build, Value inferValue = nullptr) {
  Row row = binary(name, build, 0, inferValue);
  row.infer = inferComparison;
  return row;
}

Row variadic(const char* name, Build build, uint32_t linearIn = 0, Value inferValue = nullptr) {
  Row row = binary(name, build, linearIn, inferValue);
  row.rule = nullptr;
  row.ruleFor = variadicRule;
  return row;
}

// --- Values of shape computations. ---------------------------------------------------------------------------------------

bool isIndexType(DType type) { return type == DType::kInt64 || type == DType::kInt32; }

// Whether elements at one flat index belong together: one element beside many, or equal dims.
bool isBroadcastFlat(const OpView& op) {
  Exprs dims;
  for (int i = 0; i < op.numOperands(); ++i) {
    const Exprs own = op.dims(i);
    if (llvm::all_of(own, [](Expr dim) { return dim == Expr(1); })) continue;
    if (!dims.empty() && own != dims) return false;
    dims = own;
  }
  return true;
}

// Folds the operands' elements, broadcasting one element against many; nothing where an element pair has no value.
template <std::optional<Expr> (*F)(const OpView&, Expr, Expr)>
std::optional<Exprs> elementwiseValue(const OpView& op) {
  if ((!isIndexType(op.dtype(0)) && op.dtype(0) != DType::kBool) || !isBroadcastFlat(op)) return std::nullopt;
  std::optional<Exprs> value = op.value(0);
  for (int i = 1; value && i < op.numOperands(); ++i) {
    const std::optional<Exprs> other = op.value(i);
    if (!other || (value->size() != other->size() && value->size() != 1 && other->size() != 1)) return std::nullopt;
    Exprs next;
    const size_t count = value->size() == 1 ? other->size() : value->size();
    for (size_t k = 0; k < count; ++k) {
      const std::optional<Expr> e = F(op, (*value)[value->size() == 1 ? 0 : k], (*other)[other->size() == 1 ? 0 : k]);
      if (!e) return std::nullopt;
      next.push_back(*e);
    }
    value = std::move(next);
  }
  return value;
}

std::optional<Expr> addValue(const OpView&, Expr a, Expr b) { return a + b; }
std::optional<Expr> subValue(const OpView&, Expr a, Expr b) { return a - b; }
std::optional<Expr> mulValue(const OpView&, Expr a, Expr b) { return a * b; }
std::optional<Expr> minValue(const OpView& op, Expr a, Expr b) { return op.facts().simplify(Expr::min(a, b)); }
std::optional<Expr> maxValue(const OpView& op, Expr a, Expr b) { return op.facts().simplify(Expr::max(a, b)); }

// A size that divides is not 0 wherever the model runs at all.
bool mayDivide(const OpView& op, Expr b) { return op.facts().lowerBound(b) >= 0 && b != Expr(0); }

// ONNX's integer division truncates, Expr's floors: they agree where neither side is negative.
std::optional<Expr> divValue(const OpView& op, Expr a, Expr b) {
  if (!mayDivide(op, b)) return std::nullopt;
  if (auto x = a.constant(), y = b.constant(); x && y) return Expr(*x / *y);
  if (std::optional<Expr> exact = op.facts().simplify(a).dividedBy(op.facts().simplify(b))) return exact;
  if (op.facts().lowerBound(a) < 0) return std::nullopt;
  return op.facts().simplify(Expr::floorDiv(a, b));
}

// Mod takes the divisor's sign, as Expr::mod does for positive divisors. With fmod it takes the dividend's.
std::optional<Expr> modValue(const OpView& op, Expr a, Expr b) {
  if (!mayDivide(op, b)) return std::nullopt;
  if (op.intAttr("fmod", 0) && op.facts().lowerBound(a) < 0) return std::nullopt;
  return op.facts().simplify(Expr::mod(a, b));
}

// Truth is 0 or 1.
std::optional<Expr> andValue(const OpView&, Expr a, Expr b) { return a * b; }
std::optional<Expr> orValue(const OpView&, Expr a, Expr b) { return a + b - a * b; }
std::optional<Expr> xorValue(const OpView&, Expr a, Expr b) { return a + b - Expr(2) * a * b; }

std::optional<Expr> known(bool value) { return Expr(value ? 1 : 0); }

std::optional<Expr> equalValue(const OpView& op, Expr a, Expr b) {
  if (op.facts().provablyEqual(a, b)) return known(true);
  if (provablyDifferent(a, b, op.facts())) return known(false);
  return std::nullopt;
}

std::optional<Expr> lessValue(const OpView& op, Expr a, Expr b) {
  if (op.facts().lowerBound(op.facts().simplify(b - a)) > 0) return known(true);
  if (op.facts().lowerBound(op.facts().simplify(a - b)) >= 0) return known(false);
  return std::nullopt;
}
std::optional<Expr> greaterValue(const OpView& op, Expr a, Expr b) { return lessValue(op, b, a); }
std::optional<Expr> lessOrEqualValue(const OpView& op, Expr a, Expr b) {
  const std::optional<Expr> greater = lessValue(op, b, a);
  return greater ? std::optional<Expr>(Expr(1) - *greater) : std::nullopt;
}
std::optional<Expr> greaterOrEqualValue(const OpView& op, Expr a, Expr b) { return lessOrEqualValue(op, b, a); }

std::optional<Exprs> whereValue(const OpView& op) {
  const std::optional<std::vector<int64_t>> condition = op.constantInts(0);
  const std::optional<Exprs> x = op.value(1), y = op.value(2);
  if (!condition || !x || !y || !isBroadcastFlat(op)) return std::nullopt;
  const size_t count = std::max({condition->size(), x->size(), y->size()});
  Exprs value;
  for (size_t i = 0; i < count; ++i) {
    auto at = [&](const auto& list) { return list[list.size() == 1 ? 0 : i]; };
    value.push_back(at(*condition) ? at(*x) : at(*y));
  }
  return value;
}

// --- Bodies. ---------------------------------------------------------------------------------------------------------------

std::vector<int> modBody(BodyBuilder& b, const OpView& op, const std::vector<int>& in) {
  return {b.binary(op.intAttr("fmod", 0) ? ScalarOp::kFMod : ScalarOp::kMod, in[0], in[1])};
}

// The exponent may have another type than the base, which gives the result's. x², x³ and 1/x are what models mostly ask for.
std::vector<int> powBody(BodyBuilder& b, const OpView& op, const std::vector<int>& in) {
  const DType type = b.dtypeOf(in[0]);
  const DType computed = isFloat(type) ? accumulationType(type) : DType::kFloat64;
  const std::optional<double> exponent = op.constantScalar(1);
  if (exponent == 1.0) return {in[0]};
  if (exponent == 2.0) return {b.binary(ScalarOp::kMul, in[0], in[0])};
  const int x = b.cast(in[0], computed);
  if (exponent == 3.0) return {b.cast(b.binary(ScalarOp::kMul, x, b.binary(ScalarOp::kMul, x, x)), type)};
  if (exponent == -1.0 && isFloat(type)) return {b.cast(b.unary(ScalarOp::kReciprocal, x), type)};
  return {b.cast(b.binary(ScalarOp::kPow, x, b.cast(in[1], computed)), type)};
}

std::vector<int> meanBody(BodyBuilder& b, const OpView& op, const std::vector<int>& in) {
  const DType type = b.dtypeOf(in[0]), wide = accumulationType(type);
  int sum = b.cast(in[0], wide);
  for (size_t i = 1; i < in.size(); ++i) sum = b.binary(ScalarOp::kAdd, sum, b.cast(in[i], wide));
  (void)op;
  return {b.cast(b.binary(ScalarOp::kDiv, sum, b.constant(static_cast<double>(in.size()), wide)), type)};
}

std::vector<int> bitShiftBody(BodyBuilder& b, const OpView& op, const std::vector<int>& in) {
  const bool left = op.stringAttr("direction", "LEFT") == "LEFT";
  return {b.binary(left ? ScalarOp::kShiftLeft : ScalarOp::kShiftRight, in[0], in[1])};
}

std::vector<int> preluBody(BodyBuilder& b, const OpView&, const std::vector<int>& in) {
  const DType type = b.dtypeOf(in[0]);
  const int isNegative = b.binary(ScalarOp::kLess, in[0], b.constant(0, type));
  return {b.node(ScalarOp::kSelect, type, {isNegative, b.binary(ScalarOp::kMul, in[1], in[0]), in[0]})};
}

std::vector<int> whereBody(BodyBuilder& b, const OpView&, const std::vector<int>& in) {
  return {b.node(ScalarOp::kSelect, b.dtypeOf(in[1]), in)};
}

std::vector<int> clipBody(BodyBuilder& b, const OpView&, const std::vector<int>& in) {
  int value = in[0];
  if (in.size() > 1 && in[1] >= 0) value = b.binary(ScalarOp::kMax, value, in[1]);
  if (in.size() > 2 && in[2] >= 0) value = b.binary(ScalarOp::kMin, value, in[2]);
  return {value};
}

std::vector<int> dropoutBody(BodyBuilder& b, const OpView& op, const std::vector<int>& in) {
  if (op.numResults() == 1) return {in[0]};
  return {in[0], b.constant(1, DType::kBool)};
}

// --- The rows that are not of one mould. -------------------------------------------------------------------------------------

Status inferWhere(const OpView& op, ResultShapes& results) {
  SW_ASSIGN_OR_RETURN(Exprs dims, broadcast(op, {op.dims(0), op.dims(1), op.dims(2)}));
  return allResults(op, {op.dtype(1), dims}, results);
}

Row where() {
  Row row = variadic("Where", whereBody, Row::kPartialAll | 0b110, whereValue);
  row.infer = inferWhere;
  return row;
}

Row clip() {
  Row row = variadic("Clip", clipBody);
  row.infer = nullptr;
  return row;
}

Status inferDropout(const OpView& op, ResultShapes& results) {
  if (op.has(2) && op.constantInts(2) != std::vector<int64_t>{0})
    return nodeError(op, "drops values in training mode, and only inference is supported; set training_mode to false");
  results.assign(op.numResults(), op.operand(0));
  if (results.size() > 1) results[1].dtype = DType::kBool;
  return Status();
}

// "..., , -> ..., ..." with as many operands and results as the node writes.
std::string dropoutRule(const OpView& op) {
  std::string rule = "...";
  for (int i = 1; i < op.numOperands(); ++i) rule += op.has(i) ? ", " : ", -";
  return rule + (op.numResults() > 1 ? " -> ..., ..." : " -> ...");
}

Row dropout() {
  Row row;
  row.name = "Dropout";
  row.ruleFor = dropoutRule;
  row.infer = inferDropout;
  row.lowering = ScalarBody{dropoutBody};
  return row;
}

}  // namespace

llvm::ArrayRef<Row> binaryRows() {
  static const std::vector<Row> kRows = {
      withFractions(binary("Add", fold<ScalarOp::kAdd>, Row::kPartialAll, elementwiseValue<addValue>), addFractions),
      withFractions(binary("Sub", fold<ScalarOp::kSub>, Row::kPartialAll, elementwiseValue<subValue>), subFractions),
      withFractions(binary("Mul", fold<ScalarOp::kMul>, 0b11, elementwiseValue<mulValue>), mulFractions),
      withFractions(binary("Div", fold<ScalarOp::kDiv>, 0b01, elementwiseValue<divValue>), divFractions),
      binary("Mod", modBody, 0, elementwiseValue<modValue>),
      binary("Pow", powBody),
      binary("And", fold<ScalarOp::kAnd>, 0, elementwiseValue<andValue>),
      binary("Or", fold<ScalarOp::kOr>, 0, elementwiseValue<orValue>),
      binary("Xor", fold<ScalarOp::kXor>, 0, elementwiseValue<xorValue>),
      binary("BitwiseAnd", fold<ScalarOp::kBitAnd>),
      binary("BitwiseOr", fold<ScalarOp::kBitOr>),
      binary("BitwiseXor", fold<ScalarOp::kBitXor>),
      binary("BitShift", bitShiftBody),
      binary("PRelu", preluBody),
      comparison("Equal", fold<ScalarOp::kEqual>, elementwiseValue<equalValue>),
      comparison("Less", fold<ScalarOp::kLess>, elementwiseValue<lessValue>),
      comparison("LessOrEqual", fold<ScalarOp::kLessOrEqual>, elementwiseValue<lessOrEqualValue>),
      comparison("Greater", fold<ScalarOp::kGreater>, elementwiseValue<greaterValue>),
      comparison("GreaterOrEqual", fold<ScalarOp::kGreaterOrEqual>, elementwiseValue<greaterOrEqualValue>),
      variadic("Min", fold<ScalarOp::kMin>, 0, elementwiseValue<minValue>),
      variadic("Max", fold<ScalarOp::kMax>, 0, elementwiseValue<maxValue>),
      variadic("Sum", fold<ScalarOp::kAdd>, Row::kPartialAll, elementwiseValue<addValue>),
      variadic("Mean", meanBody, Row::kPartialAll),
      where(),
      clip(),
      dropout(),
  };
  return kRows;
}

}  // namespace shardwright
