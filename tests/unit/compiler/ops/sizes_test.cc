// Rows that make, cut, join and repeat tensors by sizes.
#include "tests/unit/compiler/ops/onnx_fixture.h"

namespace shardwright {
namespace {

class SizesTest : public OnnxTest {
 protected:
  SizesTest() {
    for (const char* symbol : {"batch", "sequence", "past", "n"}) facts.setRange(symbol, {1, 4096, 1});
  }
};

TEST_F(SizesTest, shape_with_start_and_end) {
  mlir::Value x = input({"batch", "3", "past + sequence"});
  EXPECT_EQ(value(node("Shape", {x})), "[batch, 3, past + sequence]");
  EXPECT_EQ(value(node("Shape", {x}, {attr("start", -1)})), "[past + sequence]");
  EXPECT_EQ(dims(node("Shape", {x}, {attr("start", 1), attr("end", -1)})), "[1]");
  EXPECT_EQ(value(node("Size", {input({"batch", "3"})})), "[3*batch]");
}

TEST_F(SizesTest, constant_of_shape) {
  mlir::Operation* op = node("ConstantOfShape", {shape({"batch", "3"})});
  EXPECT_EQ(dims(op), "[batch, 3]");
  EXPECT_EQ(rule(op), "!sizes -> d0 d1");
  auto fill = mlir::DenseElementsAttr::get(mlir::RankedTensorType::get({1}, builder.getI64Type()), int64_t{-1});
  op = node("ConstantOfShape", {ints({2})}, {{"value", fill}});
  EXPECT_EQ(value(op), "[-1, -1]");
}

TEST_F(SizesTest, range) {
  EXPECT_EQ(dims(node("Range", {index(0), shape({"sequence"}), index(1)})), "[sequence]");
  mlir::Operation* op = node("Range", {index(7), index(-2), index(-3)});
  EXPECT_EQ(dims(op), "[3]");
  EXPECT_EQ(value(op), "[7, 4, 1]");
  EXPECT_EQ(rule(op), ", ,  -> i");
  EXPECT_EQ(dims(node("Range", {number(1), number(2), number(0.3)})), "[4]");
  EXPECT_EQ(node("Range", {index(0), input({}, DType::kInt64), index(1)}), nullptr);
}

TEST_F(SizesTest, slice_bounds) {
  mlir::Value x = input({"batch", "past + sequence", "10"});
  auto sliced = [&](mlir::Value starts, mlir::Value ends, int64_t axis, int64_t step = 1) {
    return dims(node("Slice", {x, starts, ends, ints({axis}), ints({step})}));
  };
  EXPECT_EQ(sliced(shape({"past"}), shape({"past + sequence"}), 1), "[batch, sequence, 10]");
  EXPECT_EQ(sliced(ints({-3}), ints({INT64_MAX}), 2), "[batch, past + sequence, 3]");
  EXPECT_EQ(sliced(ints({1}), ints({-1}), -1, 3), "[batch, past + sequence, 3]");
  EXPECT_EQ(sliced(ints({-1}), ints({INT64_MIN}), 2, -1), "[batch, past + sequence, 10]");
  EXPECT_EQ(sliced(ints({6}), ints({1}), 2, -2), "[batch, past + sequence, 3]");
  EXPECT_EQ(sliced(ints({4}), ints({2}), 2), "[batch, past + sequence, 0]");
  EXPECT_THAT(sliced(shape({"past - sequence"}), ints({100000}), 1), testing::HasSubstr("may be negative or not"));
}

// Pads as the older exporter of PyTorch writes them: pairs, reversed and transposed.
TEST_F(SizesTest, values_of_several_dims) {
  auto known = [&](mlir::Operation* op, std::initializer_list<const char*> values) {
    return builder.create<ShapeValueOp>(loc(), op->getResult(0).getType(), exprs(values))->getResult(0);
  };
  mlir::Operation* pairs = node("Reshape", {shape({"n", "2", "3", "4", "5", "6"}), ints({3, 2})});
  EXPECT_EQ(value(pairs), "[n, 2, 3, 4, 5, 6]");
  mlir::Operation* reversed = node(
      "Slice", {known(pairs, {"n", "2", "3", "4", "5", "6"}), ints({-1}), ints({INT64_MIN}), ints({0}), ints({-1})});
  EXPECT_EQ(value(reversed), "[5, 6, 3, 4, n, 2]");
  mlir::Operation* swapped =
      node("Transpose", {known(reversed, {"5", "6", "3", "4", "n", "2"})}, {attr("perm", {1, 0})});
  EXPECT_EQ(value(swapped), "[5, 3, n, 6, 4, 2]");
  // One index is not one place where dims differ.
  mlir::Value row = known(node("Reshape", {ints({1, 2}), ints({1, 2})}), {"1", "2"});
  mlir::Value column = known(node("Reshape", {ints({3, 4}), ints({2, 1})}), {"3", "4"});
  EXPECT_EQ(value(node("Add", {row, column})), "unknown");
  EXPECT_EQ(value(node("Add", {row, ints({7})})), "[8, 9]");
}

TEST_F(SizesTest, slice_rule_view_and_value) {
  mlir::Operation* op =
      node("Slice", {input({"batch", "10"}), ints({0, 8}), ints({INT32_MAX, 2}), ints({0, 1}), ints({1, -3})});
  EXPECT_EQ(dims(op), "[batch, 2]");
  EXPECT_EQ(rule(op), "d0 !a1, !sizes1, !sizes2, !sizes3, !sizes4 -> d0 !b1");
  const auto view =
      std::get<ViewBody>(rowOf(op)->lowering)
          .view(OpView(op, facts), 0, {Expr(5), exprs({"batch", "10"}), exprs({"20", "2"})}, exprs({"batch", "2"}));
  EXPECT_EQ(view->offset, Expr(21));
  EXPECT_EQ(str(view->strides), "[20, -6]");
  EXPECT_EQ(value(node("Slice", {shape({"batch", "3", "sequence"}), ints({1}), ints({9})})), "[3, sequence]");
}

TEST_F(SizesTest, split_into_equal_and_other_parts) {
  mlir::Value x = input({"batch", "12"});
  mlir::Operation* op = node("Split", {x}, {attr("axis", -1), attr("num_outputs", 3)}, 3);
  EXPECT_EQ(dims(op, 2), "[batch, 4]");
  EXPECT_EQ(rule(op), "d0 (!t=3 r) -> d0 r, d0 r, d0 r");
  op = node("Split", {x, ints({7, 5})}, {attr("axis", 1)}, 2);
  EXPECT_EQ(rule(op), "d0 !a, !sizes1 -> d0 !b0, d0 !b1");
  const auto view =
      std::get<ViewBody>(rowOf(op)->lowering)
          .view(OpView(op, facts), 1, {Expr(0), exprs({"batch", "12"}), exprs({"12", "1"})}, exprs({"batch", "5"}));
  EXPECT_EQ(view->offset, Expr(7));
  EXPECT_EQ(dims(node("Split", {input({"7"})}, {attr("num_outputs", 3)}, 3), 2), "[1]");
  EXPECT_EQ(node("Split", {x, ints({7, 6})}, {attr("axis", 1)}, 2), nullptr);
}

TEST_F(SizesTest, concat) {
  mlir::Operation* op =
      node("Concat", {input({"batch", "4", "past", "8"}), input({"batch", "4", "sequence", "8"})}, {attr("axis", -2)});
  EXPECT_EQ(dims(op), "[batch, 4, past + sequence, 8]");
  EXPECT_EQ(rule(op), "d0 d1 !a0 d3, d0 d1 !a1 d3 -> d0 d1 !b d3");
  EXPECT_EQ(value(node("Concat", {shape({"batch"}), ints({-1, 64})}, {attr("axis", 0)})), "[batch, -1, 64]");
  EXPECT_EQ(node("Concat", {input({"3", "4"}), input({"5", "2"})}, {attr("axis", 0)}), nullptr);
}

TEST_F(SizesTest, pad) {
  mlir::Operation* op = node("Pad", {input({"n", "5"}), ints({2, -1}), number(0), ints({1})});
  EXPECT_EQ(dims(op), "[n, 6]");
  EXPECT_EQ(rule(op), "d0 !a1, !sizes1, , !sizes3 -> d0 !b1");
  const KernelCall call = std::get<KernelBody>(rowOf(op)->lowering).call(OpView(op, facts));
  EXPECT_EQ(str(std::get<Exprs>(call.attrs[1].second)), "[0, 2, 0, -1]");
}

TEST_F(SizesTest, expand_and_tile) {
  mlir::Operation* op = node("Expand", {input({"batch", "1", "3", "1"}), shape({"2", "1", "5", "1", "n"})});
  EXPECT_EQ(dims(op), "[2, batch, 5, 3, n]");
  EXPECT_EQ(rule(op), "d1 1 d3 1, !sizes1 -> d0 d1 d2 d3 d4");
  EXPECT_EQ(dims(node("Tile", {input({"batch", "3"}), ints({1, 4})})), "[batch, 12]");
}

TEST_F(SizesTest, blocks) {
  EXPECT_EQ(dims(node("DepthToSpace", {input({"n", "12", "5", "7"})}, {attr("blocksize", 2)})), "[n, 3, 10, 14]");
  EXPECT_EQ(dims(node("SpaceToDepth", {input({"n", "3", "10", "14"})}, {attr("blocksize", 2)})), "[n, 12, 5, 7]");
}

TEST_F(SizesTest, gather_of_a_value_and_of_a_table) {
  EXPECT_EQ(value(node("Gather", {shape({"batch", "3", "sequence"}), index(-1)})), "[sequence]");
  EXPECT_EQ(value(node("Gather", {shape({"batch", "3", "sequence"}), ints({2, 0})})), "[sequence, batch]");
  mlir::Operation* op = node("Gather", {input({"50", "8"}), input({"batch", "n"}, DType::kInt64)});
  EXPECT_EQ(dims(op), "[batch, n, 8]");
  EXPECT_EQ(rule(op), " v d1, i0 i1 ->  i0 i1  d1");
  EXPECT_EQ(rule(node("Gather", {input({"4", "50"}, DType::kBool), index(3)}, {attr("axis", 1)})), " d0 !v,  ->  d0  ");
}

TEST_F(SizesTest, gather_on_a_split_table_knows_its_first_row) {
  mlir::Operation* op = node("Gather", {input({"7", "8"}), input({"n"}, DType::kInt64)});
  const OpView view(op, facts);
  const Rule parsed = *ruleOf(view, *rowOf(op));
  const Mesh mesh = *Mesh::parse("tp=2");
  Strategy strategy(static_cast<int>(parsed.factors.size()));
  EXPECT_TRUE(rowOf(op)->localize(view, parsed, strategy, mesh).set.empty());
  strategy.splits[0] = {{Expr(1), {mesh.whole(0)}, Expr(7)}};
  const auto attrs = rowOf(op)->localize(view, parsed, strategy, mesh).set;
  ASSERT_EQ(attrs.size(), 2u);
  EXPECT_EQ(*exprsOf(attrs[0].second)[0].evaluate({{"@tp", 1}}), 3);
  EXPECT_EQ(exprsOf(attrs[1].second)[0], Expr(7));
  EXPECT_TRUE(rowOf(op)->admits(view, parsed, strategy));
  strategy.splits[0][0].outer = Expr(7);
  EXPECT_FALSE(rowOf(op)->admits(view, parsed, strategy));
}

TEST_F(SizesTest, one_row_by_a_constant_is_a_view) {
  mlir::Operation* op = node("Gather", {input({"8", "5", "3"}), index(-2)});
  mlir::Value source = op->getOperand(0);
  mlir::Operation* use = node("Relu", {op->getResult(0)});
  ASSERT_TRUE(expandOp(builder, op, *rowOf(op), facts));
  mlir::Operation* squeeze = use->getOperand(0).getDefiningOp();
  EXPECT_EQ(squeeze->getName().stripDialect(), "Squeeze");
  EXPECT_EQ(squeeze->getOperand(0).getDefiningOp()->getName().stripDialect(), "Slice");
  EXPECT_EQ(squeeze->getOperand(0).getDefiningOp()->getOperand(0), source);
  op = node("Gather", {input({"8", "5", "3"}), input({"4"}, DType::kInt64)});
  EXPECT_FALSE(expandOp(builder, op, *rowOf(op), facts));
}

TEST_F(SizesTest, elements_and_nd) {
  mlir::Value data = input({"batch", "8", "5"}), indices = input({"batch", "3", "4"}, DType::kInt64);
  EXPECT_EQ(rule(node("GatherElements", {data, indices}, {attr("axis", 1)})), " d0 v !a2, d0 b !b2 -> d0 b !b2");
  EXPECT_EQ(rule(node("ScatterElements", {data, indices, input({"batch", "3", "4"})}, {attr("axis", 1)})),
            " d0 v !a2, d0 !b !b2, d0 !b !b2 -> d0 v !a2");
  mlir::Operation* op = node("GatherND", {data, input({"batch", "n", "1"}, DType::kInt64)}, {attr("batch_dims", 1)});
  EXPECT_EQ(dims(op), "[batch, n, 5]");
  EXPECT_EQ(rule(op), "b0 v0 r0, b0 i0 !k -> b0 i0 r0");
  op = node("ScatterND", {data, input({"n", "2"}, DType::kInt64), input({"n", "5"})});
  EXPECT_EQ(rule(op), "v0 v1 r0, !i0 !k, !i0 r0 -> v0 v1 r0");
  EXPECT_EQ(node("GatherND", {data, input({"batch", "n", "n"}, DType::kInt64)}), nullptr);
}

TEST_F(SizesTest, one_hot_eye_and_triangle_expand) {
  EXPECT_EQ(dims(node("OneHot", {input({"batch", "n"}, DType::kInt64), index(9), input({"2"})}, {attr("axis", 1)})),
            "[batch, 9, n]");
  for (mlir::Operation* op :
       {node("OneHot", {input({"batch", "n"}, DType::kInt64), index(9), input({"2"})}, {attr("axis", 1)}),
        node("EyeLike", {input({"n", "3"})}, {attr("k", 1)}),
        node("Trilu", {input({"batch", "n", "3"}), index(-1)}, {attr("upper", 0)})}) {
    ASSERT_TRUE(op) << error;
    const std::string before = dims(op);
    mlir::Operation* use = node("Identity", {op->getResult(0)});
    ASSERT_TRUE(expandOp(builder, op, *rowOf(op), facts));
    EXPECT_EQ(dims(use->getOperand(0).getDefiningOp()), before);
  }
}

}  // namespace
}  // namespace shardwright
