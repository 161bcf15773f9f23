#include "tests/unit/compiler/ops/onnx_fixture.h"

namespace shardwright {
namespace {

class MatmulTest : public OnnxTest {};

TEST_F(MatmulTest, ranks) {
  mlir::Operation* op = node("MatMul", {input({"batch", "3", "5"}), input({"5", "7"})});
  EXPECT_EQ(dims(op), "[batch, 3, 7]");
  EXPECT_EQ(rule(op), "... i k, ... k j -> ... i j");
  EXPECT_EQ(dims(node("MatMul", {input({"5"}), input({"batch", "5", "7"})})), "[batch, 7]");
  EXPECT_EQ(rule(node("MatMul", {input({"5"}), input({"batch", "5", "7"})})), "k, ... k j -> ... j");
  EXPECT_EQ(rule(node("MatMul", {input({"4", "5"}), input({"5"})})), "... i k, k -> ... i");
  EXPECT_EQ(rule(node("MatMul", {input({"5"}), input({"5"})})), "k, k -> ");
  EXPECT_EQ(node("MatMul", {input({"4", "5"}), input({"6", "5"})}), nullptr);
  EXPECT_THAT(error, testing::HasSubstr("columns are 5 and 6, and must be equal"));
}

TEST_F(MatmulTest, vectors_reach_the_kernel_as_matrices) {
  mlir::Operation* op = node("MatMul", {input({"batch", "4", "5"}), input({"5"})});
  const KernelCall call = std::get<KernelBody>(rowOf(op)->lowering).call(OpView(op, facts));
  const SymbolicView vector = call.operandViews[1]({Expr(0), exprs({"5"}), exprs({"1"})});
  EXPECT_EQ(str(vector.dims), "[5, 1]");
  const SymbolicView result = call.resultViews[0]({Expr(0), exprs({"batch", "4"}), exprs({"4", "1"})});
  EXPECT_EQ(str(result.dims), "[batch, 4, 1]");
  EXPECT_EQ(str(result.strides), "[4, 1, 0]");
}

TEST_F(MatmulTest, gemm_becomes_matmul_and_add) {
  mlir::Operation* op = node("Gemm", {input({"5", "n"}), input({"7", "5"}), input({"7"})},
                             {attr("transA", 1), attr("transB", 1), attr("alpha", 0.5)});
  ASSERT_TRUE(op) << error;
  EXPECT_EQ(dims(op), "[n, 7]");
  EXPECT_EQ(rule(op), "@k i, j k, j -> i j");
  mlir::Operation* use = node("Relu", {op->getResult(0)});
  ASSERT_TRUE(expandOp(builder, op, *rowOf(op), facts));
  std::string names;
  for (mlir::Operation& one : function.front()) names += one.getName().stripDialect().str() + " ";
  EXPECT_EQ(names, "Transpose Transpose MatMul Constant Mul Add Relu ");
  EXPECT_EQ(dims(use->getOperand(0).getDefiningOp()), "[n, 7]");
}

}  // namespace
}  // namespace shardwright
