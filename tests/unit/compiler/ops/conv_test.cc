#include "tests/unit/compiler/ops/onnx_fixture.h"

namespace shardwright {
namespace {

class ConvTest : public OnnxTest {};

TEST_F(ConvTest, sizes) {
  mlir::Value x = input({"batch", "6", "11", "w"}), k = input({"4", "6", "3", "2"});
  EXPECT_EQ(dims(node("Conv", {x, k}, {attr("strides", {2, 3}), attr("pads", {1, 0, 2, 1})})),
            "[batch, 4, 6, floordiv(w + 2, 3)]");
  EXPECT_EQ(dims(node("Conv", {x, k}, {attr("dilations", {2, 1})})), "[batch, 4, 7, w - 1]");
  EXPECT_EQ(dims(node("Conv", {x, k}, {attr("auto_pad", "SAME_UPPER"), attr("strides", {2, 1})})), "[batch, 4, 6, w]");
  EXPECT_EQ(node("Conv", {x, input({"4", "5", "3", "2"})}), nullptr);
  EXPECT_THAT(error, testing::HasSubstr("channels and what the weights read are 6 and 5"));
}

TEST_F(ConvTest, rules) {
  mlir::Value x = input({"batch", "6", "11", "9"}), b = input({"4"});
  EXPECT_EQ(rule(node("Conv", {x, input({"4", "6", "3", "3"})})), "n c !h0 !h1, o c !k0 !k1 -> n o !y0 !y1");
  EXPECT_EQ(rule(node("Conv", {x, input({"4", "6", "3", "3"}), b})), "n @c !h0 !h1, o @c !k0 !k1, o -> n o !y0 !y1");
  mlir::Operation* op = node("Conv", {x, input({"4", "3", "3", "3"}), b}, {attr("group", 2)});
  EXPECT_EQ(rule(op), "n (g=2 @c) !h0 !h1, (g=2 o) @c !k0 !k1, (g=2 o) -> n (g=2 o) !y0 !y1");
}

TEST_F(ConvTest, bias_comes_apart) {
  mlir::Operation* op =
      node("Conv", {input({"batch", "6", "11", "9"}), input({"4", "3", "3", "3"}), input({"4"})}, {attr("group", 2)});
  mlir::Operation* use = node("Relu", {op->getResult(0)});
  ASSERT_TRUE(expandOp(builder, op, *rowOf(op), facts));
  mlir::Operation* add = use->getOperand(0).getDefiningOp();
  ASSERT_EQ(add->getName().stripDialect(), "Add");
  EXPECT_EQ(rule(add->getOperand(0).getDefiningOp()), "n (g=2 c) !h0 !h1, (g=2 o) c !k0 !k1 -> n (g=2 o) !y0 !y1");
}

TEST_F(ConvTest, pooling) {
  mlir::Value x = input({"batch", "6", "11", "9"});
  mlir::Operation* op = node("MaxPool", {x}, {attr("kernel_shape", {3, 2}), attr("strides", {2, 2})});
  EXPECT_EQ(dims(op), "[batch, 6, 5, 4]");
  EXPECT_EQ(rule(op), "n c !h0 !h1 -> n c !y0 !y1");
  op = node("AveragePool", {x},
            {attr("kernel_shape", {3, 2}), attr("strides", {2, 2}), attr("ceil_mode", 1), attr("pads", {1, 0, 1, 0})});
  EXPECT_EQ(dims(op), "[batch, 6, 6, 5]");
  EXPECT_EQ(node("MaxPool", {x}, {attr("kernel_shape", {3, 2})}, 2), nullptr);
  EXPECT_EQ(node("MaxPool", {x}, {attr("kernel_shape", {3})}), nullptr);
}

}  // namespace
}  // namespace shardwright
