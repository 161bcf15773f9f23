#include "tests/unit/compiler/ops/onnx_fixture.h"

namespace shardwright {
namespace {

class ElementwiseTest : public OnnxTest {};

TEST_F(ElementwiseTest, broadcasting_with_symbols) {
  mlir::Operation* op = node("Add", {input({"batch", "1", "sequence", "7"}), input({"3", "1", "7"})});
  EXPECT_EQ(dims(op), "[batch, 3, sequence, 7]");
  EXPECT_EQ(rule(op), "..., ... -> ...");
  EXPECT_EQ(node("Add", {input({"3", "4"}), input({"5", "4"})}), nullptr);
  EXPECT_THAT(error, testing::HasSubstr("[3, 4] and [5, 4] do not broadcast"));
  EXPECT_EQ(dims(node("Sum", {input({"3", "1"}), input({"n"}), input({"1", "n"})})), "[3, n]");
}

TEST_F(ElementwiseTest, every_unary_row_keeps_dims_and_its_rule_parses) {
  for (const Row* row : allRows()) {
    if (!row->rule || std::string(row->rule) != "... -> ..." || std::string(row->name) == "Cast") continue;
    mlir::Operation* op = node(row->name, {input({"batch", "5", "3"})});
    EXPECT_EQ(dims(op), "[batch, 5, 3]") << row->name;
    EXPECT_EQ(rule(op), "... -> ...") << row->name;
  }
}

TEST_F(ElementwiseTest, where_and_clip_with_absent_bound) {
  mlir::Operation* op = node("Where", {input({"4", "1"}, DType::kBool), input({"n"}), number(2)});
  EXPECT_EQ(dims(op), "[4, n]");
  EXPECT_EQ(rule(op), "..., ..., ... -> ...");
  op = node("Clip", {input({"4", "n"}), none(), number(6)});
  EXPECT_EQ(rule(op), "..., -, ... -> ...");
}

TEST_F(ElementwiseTest, values_of_shape_computations) {
  EXPECT_EQ(value(node("Mul", {shape({"batch"}), shape({"sequence"})})), "[batch*sequence]");
  EXPECT_EQ(value(node("Div", {shape({"batch*sequence"}), shape({"batch"})})), "[sequence]");
  EXPECT_EQ(value(node("Div", {shape({"sequence"}), shape({"batch - 3"})})), "unknown");
  facts.setRange("batch", {1, 64, 1});
  EXPECT_EQ(value(node("Div", {shape({"sequence", "7"}), index(2)})), "[floordiv(sequence, 2), 3]");
  EXPECT_EQ(value(node("Div", {ints({-7}), ints({2})})), "[-3]");
  EXPECT_EQ(value(node("Equal", {shape({"batch", "3"}), ints({-1, 3})})), "[0, 1]");
  EXPECT_EQ(value(node("Equal", {shape({"batch"}), ints({2})})), "unknown");
  EXPECT_EQ(value(node("Max", {shape({"batch"}), ints({1})})), "[batch]");
  EXPECT_EQ(value(node("Sub", {shape({"a", "b"}), ints({1})})), "[a - 1, b - 1]");
  EXPECT_EQ(value(node("Cast", {shape({"batch"})}, {attr("to", 6)})), "[batch]");
  EXPECT_EQ(value(node("Cast", {shape({"batch"})}, {attr("to", 1)})), "unknown");
}

TEST_F(ElementwiseTest, values_of_conditions) {
  auto truths = [&](llvm::ArrayRef<bool> values) {
    auto type = mlir::RankedTensorType::get({static_cast<int64_t>(values.size())}, builder.getI1Type());
    return builder.create<ConstantOp>(loc(), mlir::DenseElementsAttr::get(type, values))->getResult(0);
  };
  mlir::Value a = truths({false, false, true, true}), b = truths({false, true, false, true});
  EXPECT_EQ(value(node("And", {a, b})), "[0, 0, 0, 1]");
  EXPECT_EQ(value(node("Or", {a, b})), "[0, 1, 1, 1]");
  EXPECT_EQ(value(node("Xor", {a, b})), "[0, 1, 1, 0]");
  EXPECT_EQ(value(node("Not", {b})), "[1, 0, 1, 0]");
  EXPECT_EQ(value(node("And", {a, input({"4"}, DType::kBool)})), "unknown");
}

// Builds the row's scalar body over one node per operand.
std::vector<ScalarNode> bodyOf(mlir::Operation* op, const Facts& facts) {
  std::vector<ScalarNode> nodes;
  BodyBuilder builder(nodes);
  const OpView view(op, facts);
  std::vector<int> inputs;
  for (int i = 0; i < view.numOperands(); ++i)
    inputs.push_back(view.has(i) ? builder.node(ScalarOp::kLoad, view.dtype(i), {}, i) : -1);
  const std::vector<int> results = std::get<ScalarBody>(rowOf(op)->lowering).build(builder, view, inputs);
  EXPECT_EQ(results.size(), op->getNumResults());
  for (size_t i = 0; i < results.size(); ++i) {
    EXPECT_LT(results[i], static_cast<int>(nodes.size()));
    EXPECT_EQ(nodes[results[i]].dtype, view.result(static_cast<int>(i)).dtype) << op->getName().getStringRef().str();
  }
  return nodes;
}

TEST_F(ElementwiseTest, every_scalar_body_gives_its_results_types) {
  for (const Row* row : allRows()) {
    if (!std::holds_alternative<ScalarBody>(row->lowering)) continue;
    const std::string name = row->name;
    if (name == "ConstantOfShape") continue;
    for (DType dtype : {DType::kFloat32, DType::kFloat16, DType::kInt64, DType::kBool}) {
      const bool isLogic = name == "And" || name == "Or" || name == "Xor" || name == "Not";
      const bool isBits = name.rfind("Bit", 0) == 0;
      if (isLogic != (dtype == DType::kBool) || (isBits && dtype != DType::kInt64)) continue;
      mlir::Value x = input({"3", "5"}, dtype);
      const bool isUnary = row->rule && std::string(row->rule) == "... -> ...";
      llvm::SmallVector<mlir::Value> operands = {x};
      if (name == "Where")
        operands = {input({"3", "1"}, DType::kBool), x, x};
      else if (name == "Clip")
        operands = {x, none(), input({}, dtype)};
      else if (!isUnary && name != "Dropout")
        operands.push_back(input({"5"}, dtype));
      mlir::Operation* op =
          name == "Cast" ? node(name, operands, {attr("to", 16)}) : node(name, operands, {}, name == "Dropout" ? 2 : 1);
      ASSERT_TRUE(op) << error;
      bodyOf(op, facts);
    }
  }
}

TEST_F(ElementwiseTest, small_powers_are_products) {
  auto ops = [&](float exponent) {
    std::string text;
    for (const ScalarNode& node : bodyOf(node("Pow", {input({"3"}), number(exponent)}), facts))
      text += node.op == ScalarOp::kMul ? "mul " : node.op == ScalarOp::kPow ? "pow " : "";
    return text;
  };
  EXPECT_EQ(ops(2), "mul ");
  EXPECT_EQ(ops(3), "mul mul ");
  EXPECT_EQ(ops(2.5), "pow ");
}

TEST_F(ElementwiseTest, training_is_refused) {
  EXPECT_EQ(node("Dropout", {input({"3"}), none(), input({}, DType::kBool)}, {}, 2), nullptr);
  EXPECT_THAT(error, testing::HasSubstr("only inference is supported"));
}

}  // namespace
}  // namespace shardwright
