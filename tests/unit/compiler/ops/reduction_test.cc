// Rows of reductions, order and normalisation.
#include "tests/unit/compiler/ops/onnx_fixture.h"

namespace shardwright {
namespace {

class ReductionTest : public OnnxTest {
 protected:
  // The names of the ops in the body, without constants.
  std::string names() {
    std::string text;
    for (mlir::Operation& op : function.front()) {
      const std::string name = op.getName().stripDialect().str();
      if (name != "Constant" && name != "None" && name != "ShapeValue") text += (text.empty() ? "" : " ") + name;
    }
    return text;
  }
  // Expands until nothing expands; what is left must infer and have rules.
  void expandAll() {
    for (int depth = 0; depth < 8; ++depth)
      for (mlir::Operation& op : llvm::make_early_inc_range(function.front()))
        if (const Row* row = rowOf(&op); row && std::holds_alternative<ExpandBody>(row->lowering))
          expandOp(builder, &op, *row, facts);
    for (mlir::Operation& op : function.front()) {
      if (!rowOf(&op)) continue;
      EXPECT_EQ(rule(&op).find("internal"), std::string::npos) << rule(&op);
      EXPECT_FALSE(std::holds_alternative<ExpandBody>(rowOf(&op)->lowering)) << op.getName().getStringRef().str();
      EXPECT_FALSE(std::holds_alternative<std::monostate>(rowOf(&op)->lowering)) << op.getName().getStringRef().str();
    }
  }
};

TEST_F(ReductionTest, axes_and_kept_dims) {
  mlir::Value x = input({"batch", "5", "n"});
  mlir::Operation* op = node("ReduceSum", {x, ints({-1})});
  EXPECT_EQ(dims(op), "[batch, 5, 1]");
  EXPECT_EQ(rule(op), " d0 d1 k2, !sizes1 -> d0 d1 1");
  op = node("ReduceMax", {x, ints({0, 2})}, {attr("keepdims", 0)});
  EXPECT_EQ(dims(op), "[5]");
  EXPECT_EQ(rule(op), " k0:max d1 k2:max, !sizes1 -> d1");
  EXPECT_EQ(dims(node("ReduceMean", {x})), "[1, 1, 1]");
  EXPECT_EQ(dims(node("ReduceMean", {x}, {attr("noop_with_empty_axes", 1)})), "[batch, 5, n]");
  EXPECT_EQ(node("ReduceSum", {x, ints({3})}), nullptr);
  EXPECT_EQ(value(node("ReduceProd", {shape({"batch", "3", "n"})}, {attr("keepdims", 0)})), "[3*batch*n]");
}

TEST_F(ReductionTest, without_axes_only_the_map_is_left) {
  mlir::Operation* op = node("ReduceSumSquare", {input({"batch", "5"})}, {attr("noop_with_empty_axes", 1)});
  ASSERT_TRUE(expandOp(builder, op, *rowOf(op), facts));
  EXPECT_EQ(names(), "Mul");
}

TEST_F(ReductionTest, truth_is_reduced_as_numbers) {
  mlir::Operation* op = node("ReduceMax", {input({"batch", "5"}, DType::kBool), ints({1})}, {attr("keepdims", 0)});
  ASSERT_TRUE(expandOp(builder, op, *rowOf(op), facts));
  EXPECT_EQ(names(), "Cast ReduceMax Cast");
  op = node("ReduceMax", {input({"batch", "5"}), ints({1})});
  EXPECT_FALSE(expandOp(builder, op, *rowOf(op), facts));
}

TEST_F(ReductionTest, old_axes_become_an_operand) {
  mlir::Operation* op = node("ReduceMean", {input({"batch", "5"})}, {attr("axes", {1})});
  EXPECT_EQ(dims(op), "[batch, 1]");
  ASSERT_TRUE(rowOf(op)->upgrade(op, 13, builder).ok());
  EXPECT_EQ(op->getNumOperands(), 2u);
  EXPECT_FALSE(op->hasAttr("axes"));
  llvm::SmallVector<TensorShape> shapes;
  ASSERT_TRUE(inferResults(OpView(op, facts), *rowOf(op), shapes).ok());
  EXPECT_EQ(str(shapes[0].dims), "[batch, 1]");
}

TEST_F(ReductionTest, order) {
  mlir::Value x = input({"batch", "9"});
  EXPECT_EQ(rule(node("ArgMax", {x}, {attr("axis", -1), attr("keepdims", 0)})), " d0 !k1 -> d0");
  mlir::Operation* op = node("TopK", {x, ints({2})}, {}, 2);
  EXPECT_EQ(dims(op, 1), "[batch, 2]");
  EXPECT_EQ(rule(op), " d0 !v, !sizes1 -> d0 !k, d0 !k");
  EXPECT_EQ(dtypeOf(op->getResult(1).getType()), DType::kInt64);
  EXPECT_EQ(rule(node("CumSum", {x, index(1)})), " d0 !v,  -> d0 !v");
}

TEST_F(ReductionTest, softmax_and_its_expansion) {
  mlir::Operation* op = node("Softmax", {input({"batch", "7", "5"}, DType::kFloat16)}, {attr("axis", 1)});
  EXPECT_EQ(rule(op), " d0 @v d2 -> d0 @v d2");
  expandAll();
  EXPECT_EQ(names(), "Cast ReduceMax Sub Exp ReduceSum Div Cast");
}

TEST_F(ReductionTest, layer_normalization_and_its_statistics) {
  mlir::Operation* op = node("LayerNormalization", {input({"batch", "7", "5"}), input({"5"}), input({"1"})}, {}, 3);
  EXPECT_EQ(dims(op, 1), "[batch, 7, 1]");
  EXPECT_EQ(rule(op), " d0 d1 @d2, @d2, 1 -> d0 d1 @d2, d0 d1 1, d0 d1 1");
  op = node("RMSNormalization", {input({"batch", "5"}, DType::kBFloat16), input({"5"})}, {attr("axis", -1)});
  EXPECT_EQ(dtypeOf(op->getResult(0).getType()), DType::kFloat32);
  expandAll();
  EXPECT_EQ(
      names(),
      "ReduceMean Sub Mul ReduceMean Add Sqrt Reciprocal Mul Mul Add Cast Mul ReduceMean Add Sqrt Reciprocal Mul Mul");
}

TEST_F(ReductionTest, every_composite_expands_to_simple_ops_of_its_type) {
  mlir::Value x = input({"n", "6", "5", "4"}), c = input({"6"});
  std::vector<mlir::Operation*> ops = {
      node("LogSoftmax", {x}),
      node("BatchNormalization", {x, c, c, c, c}),
      node("InstanceNormalization", {x, c, c}),
      node("GroupNormalization", {x, c, c}, {attr("num_groups", 3)}),
      node("GroupNormalization", {x, input({"3"}), input({"3"})}, {attr("num_groups", 3)}),
      node("LpNormalization", {x}, {attr("p", 1), attr("axis", 1)}),
      node("MeanVarianceNormalization", {x}),
      node("ReduceL2", {x, ints({1})}),
      node("ReduceLogSum", {x, ints({1})}),
      node("ReduceLogSumExp", {x, ints({1, 3})}, {attr("keepdims", 0)}),
      node("GlobalAveragePool", {x}),
      node("GlobalMaxPool", {x}),
      node("GlobalLpPool", {x}),
      node("GlobalLpPool", {x}, {attr("p", 3)})};
  for (mlir::Operation* op : ops) ASSERT_TRUE(op) << error;
  std::vector<mlir::Operation*> uses;
  std::vector<std::string> before;
  for (mlir::Operation* op : ops) {
    before.push_back(op->getName().getStringRef().str() + dims(op));
    uses.push_back(node("Identity", {op->getResult(0)}));
  }
  std::vector<std::string> names;
  for (mlir::Operation* op : ops) names.push_back(op->getName().getStringRef().str());
  expandAll();
  for (size_t i = 0; i < uses.size(); ++i) EXPECT_EQ(names[i] + dimsText(uses[i]->getOperand(0)), before[i]);
}

TEST_F(ReductionTest, batch_normalization_in_training_is_refused) {
  mlir::Value c = input({"6"});
  EXPECT_EQ(node("BatchNormalization", {input({"n", "6"}), c, c, c, c}, {attr("training_mode", 1)}), nullptr);
}

}  // namespace
}  // namespace shardwright
