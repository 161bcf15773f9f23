#include "compiler/ops/reshape_factors.h"
#include "tests/unit/compiler/ops/onnx_fixture.h"

namespace shardwright {
namespace {

std::string walked(std::initializer_list<const char*> from, std::initializer_list<const char*> to) {
  Facts facts;
  const ReshapeRule rule = reshapeRule(exprs(from), exprs(to), facts);
  return rule.operand + " -> " + rule.result;
}

TEST(ReshapeRule, merged_batch_and_split_heads) {
  EXPECT_EQ(walked({"batch*sequence", "768"}, {"batch", "sequence", "12", "64"}),
            "(a={batch} b={sequence}) (c=12 d=64) -> a={batch} b={sequence} c=12 d=64");
}

TEST(ReshapeRule, dims_of_one_vanish_and_appear) {
  EXPECT_EQ(walked({"1", "5", "1", "3"}, {"5", "3", "1"}), "1 a=5 1 b=3 -> a=5 b=3 1");
}

TEST(ReshapeRule, digits_that_cross_dims) {
  EXPECT_EQ(walked({"6", "4"}, {"2", "12"}), "(a=2 b=3) c=4 -> a=2 (b=3 c=4)");
}

TEST(ReshapeRule, what_only_one_side_has_is_whole) {
  EXPECT_EQ(walked({"4", "6", "5"}, {"6", "4", "5"}), "(a=2 !b=2) !d=6 f=5 -> (a=2 !c=3) !e=4 f=5");
}

TEST(ReshapeRule, sizes_that_cannot_be_compared_are_whole_to_the_end) {
  EXPECT_EQ(walked({"a", "b"}, {"floordiv(a*b, 7)", "7"}), "!a={a} !d={b} -> !b={floordiv(a*b, 7)} !c=7");
}

TEST(ReshapeView, dense_and_contiguous_groups_and_transposes) {
  Facts facts;
  const Exprs dims = exprs({"batch", "3", "4"});
  SymbolicView dense{Expr(0), dims, denseStrides(dims)};
  auto view = reshapeView(dense, exprs({"batch", "12"}), facts);
  ASSERT_TRUE(view);
  EXPECT_EQ(str(view->strides), "[12, 1]");
  // Rows of 4 within rows of 20: the last two dims are one run, the first is not part of it.
  SymbolicView rows{Expr(8), exprs({"5", "2", "4"}), exprs({"20", "4", "1"})};
  view = reshapeView(rows, exprs({"5", "8"}), facts);
  ASSERT_TRUE(view);
  EXPECT_EQ(str(view->strides), "[20, 1]");
  EXPECT_EQ(view->offset, Expr(8));
  EXPECT_FALSE(reshapeView(rows, exprs({"10", "4"}), facts));
  view = reshapeView(rows, exprs({"5", "2", "1", "2", "2"}), facts);
  ASSERT_TRUE(view);
  EXPECT_EQ(str(view->strides), "[20, 4, 1, 2, 1]");
}

class ReshapeTest : public OnnxTest {};

TEST_F(ReshapeTest, minus_one_is_an_exact_quotient) {
  mlir::Value x = input({"batch", "12", "sequence", "64"});
  facts.setRange("batch", {1, 64, 1});
  facts.setRange("sequence", {1, 64, 1});
  mlir::Operation* op = node("Reshape", {x, shape({"batch", "sequence", "-1"})});
  EXPECT_EQ(dims(op), "[batch, sequence, 768]");
  op = node("Reshape", {x, ints({0, -1, 32})});
  EXPECT_EQ(dims(op), "[batch, 24*sequence, 32]");
}

TEST_F(ReshapeTest, rule_after_folding_has_no_sizes) {
  mlir::Value x = input({"batch*sequence", "30"});
  EXPECT_EQ(rule(node("Reshape", {x, shape({"batch", "sequence", "6", "5"})})),
            "(a={batch} b={sequence}) (c=6 d=5), !sizes1 -> a={batch} b={sequence} c=6 d=5");
}

TEST_F(ReshapeTest, wrong_sizes_are_refused) {
  EXPECT_EQ(node("Reshape", {input({"3", "4"}), ints({5, -1})}), nullptr);
  EXPECT_THAT(error, testing::HasSubstr("Reshape: cannot reshape [3, 4] (12 elements)"));
  EXPECT_EQ(node("Reshape", {input({"3", "4"}), ints({5, 2})}), nullptr);
  EXPECT_EQ(node("Reshape", {input({"3", "4"}), input({"2"}, DType::kInt64)}), nullptr);
  EXPECT_THAT(error, testing::HasSubstr("depend on data"));
}

TEST_F(ReshapeTest, squeeze_and_unsqueeze) {
  mlir::Value x = input({"batch", "1", "7", "1"});
  EXPECT_EQ(rule(node("Squeeze", {x, ints({-1})})), "d0 d1 d2 1 , !sizes1 -> d0 d1 d2 ");
  EXPECT_EQ(dims(node("Squeeze", {x})), "[batch, 7]");
  EXPECT_EQ(dims(node("Unsqueeze", {input({"5", "n"}), ints({0, -1})})), "[1, 5, n, 1]");
  EXPECT_EQ(node("Squeeze", {x, ints({2})}), nullptr);
}

TEST_F(ReshapeTest, transpose) {
  mlir::Operation* op = node("Transpose", {input({"2", "3", "5"})}, {attr("perm", {2, 0, 1})});
  EXPECT_EQ(dims(op), "[5, 2, 3]");
  EXPECT_EQ(rule(op), "d0 d1 d2 -> d2 d0 d1");
  EXPECT_EQ(node("Transpose", {input({"2", "3"})}, {attr("perm", {1, 1})}), nullptr);
}

}  // namespace
}  // namespace shardwright
