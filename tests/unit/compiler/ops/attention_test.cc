#include "tests/unit/compiler/ops/onnx_fixture.h"

namespace shardwright {
namespace {

class AttentionTest : public OnnxTest {
 protected:
  AttentionTest() {
    for (const char* symbol : {"b", "s", "p", "t"}) facts.setRange(symbol, {1, 4096, 1});
  }
  // Expands the op and gives the dims of each of its results.
  std::vector<std::string> expanded(mlir::Operation* op) {
    std::vector<mlir::Operation*> uses;
    for (mlir::Value result : op->getResults()) uses.push_back(node("Identity", {result}));
    EXPECT_TRUE(expandOp(builder, op, *rowOf(op), facts));
    std::vector<std::string> texts;
    for (mlir::Operation* use : uses) texts.push_back(dimsText(use->getOperand(0)));
    for (mlir::Operation& one : function.front()) {
      if (!rowOf(&one)) continue;
      EXPECT_EQ(rule(&one).find("internal"), std::string::npos) << rule(&one);
    }
    return texts;
  }
};

TEST_F(AttentionTest, grouped_heads_with_past_and_mask) {
  mlir::Operation* op =
      node("Attention",
           {input({"b", "8", "s", "16"}), input({"b", "2", "s", "16"}), input({"b", "2", "s", "12"}),
            input({"b", "1", "s", "p + s"}, DType::kBool), input({"b", "2", "p", "16"}), input({"b", "2", "p", "12"})},
           {attr("is_causal", 1)}, 3);
  ASSERT_TRUE(op) << error;
  EXPECT_THAT(expanded(op), testing::ElementsAre("[b, 8, s, 12]", "[b, 2, p + s, 16]", "[b, 2, p + s, 12]"));
  // Keys are read by their group, not repeated.
  for (mlir::Operation& one : function.front()) EXPECT_NE(one.getName().stripDialect(), "Expand");
}

TEST_F(AttentionTest, flat_heads_and_every_output) {
  for (int mode = 0; mode < 4; ++mode) {
    mlir::Operation* op = node(
        "Attention", {input({"b", "s", "24"}), input({"b", "t", "24"}), input({"b", "t", "30"}), input({"s", "t"})},
        {attr("q_num_heads", 3), attr("kv_num_heads", 3), attr("softcap", 2.0), attr("qk_matmul_output_mode", mode)},
        4);
    ASSERT_TRUE(op) << error;
    EXPECT_THAT(expanded(op), testing::ElementsAre("[b, s, 30]", "[b, 3, t, 8]", "[b, 3, t, 10]", "[b, 3, s, t]"));
  }
}

TEST_F(AttentionTest, windows_valid_lengths_and_short_masks) {
  mlir::Value none;
  mlir::Operation* op = node("Attention",
                             {input({"b", "4", "3", "16"}), input({"b", "4", "9", "16"}), input({"b", "4", "9", "16"}),
                              input({"3", "7"}, DType::kBool), none, none, input({"b"}, DType::kInt64)},
                             {attr("left_window_size", 2), attr("right_window_size", 1)});
  ASSERT_TRUE(op) << error;
  EXPECT_THAT(expanded(op), testing::ElementsAre("[b, 4, 3, 16]"));
}

TEST_F(AttentionTest, only_masks_that_may_reach_the_last_key_are_assumed_to) {
  for (auto [keys, isAssumed] : {std::pair("t", true), {"9", true}, {"7", false}}) {
    mlir::Operation* op =
        node("Attention",
             {input({"b", "4", "3", "16"}), input({"b", "4", "7", "16"}), input({"b", "4", "7", "16"}),
              input({"3", keys}, DType::kBool), input({"b", "4", "p", "16"}), input({"b", "4", "p", "16"})},
             {}, 3);
    std::vector<SizeEquality> assumed;
    llvm::SmallVector<TensorShape> shapes(3);
    ASSERT_TRUE(inferResults(OpView(op, facts, &assumed), *rowOf(op), shapes).ok());
    EXPECT_EQ(!assumed.empty(), isAssumed) << keys;
  }
}

TEST_F(AttentionTest, wrong_heads_are_refused) {
  EXPECT_EQ(node("Attention", {input({"b", "s", "24"}), input({"b", "s", "24"}), input({"b", "s", "24"})}), nullptr);
  EXPECT_THAT(error, testing::HasSubstr("no attribute q_num_heads"));
  EXPECT_EQ(node("Attention", {input({"b", "3", "s", "8"}), input({"b", "2", "s", "8"}), input({"b", "2", "s", "8"})}),
            nullptr);
  EXPECT_THAT(error, testing::HasSubstr("3 query heads, which is no multiple of its 2 key heads"));
}

TEST_F(AttentionTest, rotary) {
  mlir::Value table = input({"50", "4"}), ids = input({"b", "s"}, DType::kInt64);
  for (int interleaved : {0, 1}) {
    mlir::Operation* op =
        node("RotaryEmbedding", {input({"b", "6", "s", "8"}), table, table, ids}, {attr("interleaved", interleaved)});
    EXPECT_THAT(expanded(op), testing::ElementsAre("[b, 6, s, 8]"));
    op = node("RotaryEmbedding", {input({"b", "s", "60"}), table, table, ids},
              {attr("num_heads", 6), attr("rotary_embedding_dim", 8), attr("interleaved", interleaved)});
    EXPECT_THAT(expanded(op), testing::ElementsAre("[b, s, 60]"));
  }
  mlir::Operation* op =
      node("RotaryEmbedding", {input({"b", "6", "s", "8"}), input({"b", "s", "4"}), input({"b", "s", "4"})});
  EXPECT_THAT(expanded(op), testing::ElementsAre("[b, 6, s, 8]"));
}

// --- Attention as one kernel. ----------------------------------------------------------------------------------------------

TEST_F(AttentionTest, fused_heads_in_groups_are_two_factors_and_keys_only_split_apart) {
  mlir::Operation* op =
      node("shardwright.FusedAttention", {input({"b", "8", "s", "16"}), input({"b", "2", "t", "16"}),
                                          input({"b", "2", "t", "12"}), input({"b", "1", "s", "t"}, DType::kBool)});
  ASSERT_TRUE(op) << error;
  EXPECT_EQ(dimsText(op->getResult(0)), "[b, 8, s, 12]");
  EXPECT_THAT(rule(op), testing::HasSubstr("b (g r={4}) s @d, b g @t @d, b g @t e, b 1 s @t -> b (g r={4}) s e"));
  expanded(op);
}

TEST_F(AttentionTest, fused_one_key_head_for_all_queries) {
  mlir::Operation* op = node("shardwright.FusedAttention", {input({"b", "6", "s", "16"}), input({"b", "1", "t", "16"}),
                                                            input({"b", "1", "t", "16"})});
  ASSERT_TRUE(op) << error;
  EXPECT_EQ(dimsText(op->getResult(0)), "[b, 6, s, 16]");
  EXPECT_THAT(rule(op), testing::HasSubstr("b g s @d, b 1 @t @d, b 1 @t e -> b g s e"));
}

TEST_F(AttentionTest, fused_sizes_that_do_not_fit_are_refused) {
  EXPECT_EQ(node("shardwright.FusedAttention",
                 {input({"b", "6", "s", "16"}), input({"b", "4", "t", "16"}), input({"b", "4", "t", "16"})}),
            nullptr);
  EXPECT_THAT(error, testing::HasSubstr("query heads"));
  EXPECT_EQ(node("shardwright.FusedAttention",
                 {input({"b", "6", "s", "16"}), input({"b", "2", "t", "15"}), input({"b", "2", "t", "16"})}),
            nullptr);
  EXPECT_THAT(error, testing::HasSubstr("do not fit"));
}

}  // namespace
}  // namespace shardwright
