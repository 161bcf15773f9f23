#include "runtime/session/size_binding.h"

#include <gtest/gtest.h>

#include "tests/unit/runtime/exec/plan_builder.h"

namespace shardwright {
namespace {

using Dims = std::vector<int64_t>;

// ids [batch, seq], mask [batch, past + seq], cache [batch, 2, past, 16] (optional)
struct CachedModel : PlanBuilder {
  CachedModel() {
    symbol("batch", 8);
    symbol("seq", 512);
    symbol("past", 1024);
    input("ids", DType::kInt64, {"batch", "seq"});
    input("mask", DType::kInt64, {"batch", "past + seq"});
    input("cache", DType::kFloat32, {"batch", "2", "past", "16"});
    plan.mutable_inputs(2)->set_optional(true);
    output("logits", DType::kFloat32, {"batch", "seq", "100"});
  }

  StatusOr<Dims> bind(const Dims& ids, const Dims& mask, const Dims& cache) {
    std::vector<GivenTensor> given = {{DType::kInt64, ids}, {DType::kInt64, mask}, {DType::kFloat32, cache}};
    if (cache.empty()) given[2].dtype = DType::kUndefined;
    return bindSymbols(plan, ExprTable::make(plan).value(), given);
  }
  void expectFailure(const Dims& ids, const Dims& mask, const Dims& cache, const std::vector<std::string>& texts) {
    auto bound = bind(ids, mask, cache);
    ASSERT_FALSE(bound.ok());
    EXPECT_EQ(bound.status().code(), StatusCode::kUserError);
    for (const std::string& text : texts) {
      EXPECT_NE(bound.status().message().find(text), std::string::npos) << bound.status().message();
    }
  }
};

TEST(SizeBinding, every_dim_has_its_say) {
  CachedModel model;
  auto bound = model.bind({3, 11}, {3, 28}, {3, 2, 17, 16});
  ASSERT_TRUE(bound.ok()) << bound.status().message();
  EXPECT_EQ(*bound, (Dims{3, 11, 17}));
}

TEST(SizeBinding, a_sum_binds_the_symbol_that_nothing_else_binds) {
  CachedModel model;
  auto bound = model.bind({3, 11}, {3, 28}, {});
  ASSERT_TRUE(bound.ok()) << bound.status().message();
  EXPECT_EQ(*bound, (Dims{3, 11, 17}));
}

TEST(SizeBinding, one_symbol_with_two_values) {
  CachedModel model;
  model.expectFailure({3, 11}, {4, 28}, {3, 2, 17, 16},
                      {"input 'mask', dim 0: found 4; 'batch' is 3 at input 'ids', dim 0"});
}

TEST(SizeBinding, a_sum_that_does_not_add_up) {
  CachedModel model;
  model.expectFailure({3, 11}, {3, 27}, {3, 2, 17, 16}, {"input 'mask', dim 1: found 27; the plan takes 28"});
}

TEST(SizeBinding, a_fixed_dim_that_differs) {
  CachedModel model;
  model.expectFailure({3, 11}, {3, 28}, {3, 5, 17, 16}, {"input 'cache', dim 1: found 5; the plan takes 2"});
}

TEST(SizeBinding, values_beyond_what_the_plan_allows_are_all_said) {
  CachedModel model;
  model.plan.mutable_symbols(1)->set_divisor(4);
  model.expectFailure(
      {9, 13}, {9, 20}, {9, 2, 7, 16},
      {"'batch' is 9; this plan takes at most 8; compile with --max batch=9", "'seq' is 13", "multiples of 4"});
}

TEST(SizeBinding, wrong_types_and_numbers_of_dims) {
  CachedModel model;
  auto table = ExprTable::make(model.plan).value();
  auto bound = bindSymbols(model.plan, table, {{DType::kInt32, {3, 11}}, {DType::kInt64, {3}}, {}});
  ASSERT_FALSE(bound.ok());
  EXPECT_EQ(bound.status().message(),
            "input 'ids': found int32; the model takes int64 [batch, seq]\n"
            "input 'mask': found dims [3]; the model takes int64 [batch, past + seq]");
  bound = bindSymbols(model.plan, table, {{}, {DType::kInt64, {3, 4}}, {}});
  EXPECT_EQ(bound.status().message(), "input 'ids' is missing; it is int64 [batch, seq]");
  bound = bindSymbols(model.plan, table, {{}});
  EXPECT_EQ(bound.status().message(), "found 1 inputs; the model takes 3");
}

TEST(SizeBinding, outputs_get_their_dims) {
  CachedModel model;
  auto dims = portDims(model.plan, ExprTable::make(model.plan).value(), model.plan.outputs(), {3, 11, 0}, true);
  ASSERT_TRUE(dims.ok());
  EXPECT_EQ((*dims)[0], (Dims{3, 11, 100}));
}

TEST(SizeBinding, entries_are_chosen_by_their_guards) {
  CachedModel model;
  model.entry("init", 0);
  model.entry("decode", 0);
  auto* guard = model.plan.mutable_entries(1)->add_guards();
  guard->set_expr(model.expr("seq"));
  guard->set_lower(1);
  guard->set_upper(1);
  auto table = ExprTable::make(model.plan).value();
  EXPECT_EQ(entryFor(model.plan, table, {3, 1, 5}).value(), 1);
  EXPECT_EQ(entryFor(model.plan, table, {3, 2, 5}).status().message(),
            "the plan has no entry for these sizes; for entry 'decode' seq is 2 and must be 1 to 1");
  model.entry("prefill", 0);
  EXPECT_EQ(entryFor(model.plan, table, {3, 2, 5}).value(), 2);
}

}  // namespace
}  // namespace shardwright
