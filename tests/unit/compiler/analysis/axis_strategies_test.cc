#include "compiler/analysis/axis_strategies.h"

#include <gtest/gtest.h>

#include "compiler/analysis/pin.h"

namespace shardwright {
namespace {

class AxisStrategiesTest : public testing::Test {
 protected:
  Sharding sharding(const char* text) { return *parseSharding(text, mesh); }
  std::string composed(const char* a, const char* b, Exprs dims) {
    return str(compose(sharding(a), sharding(b), dims, facts), mesh);
  }
  std::string restricted(const char* text, const char* axis, Exprs dims) {
    return str(restrictTo(sharding(text), mesh.axisIndex(axis), dims, facts), mesh);
  }

  Mesh mesh = *Mesh::parse("dp=2,tp=4,sp=3");
  Expr batch = Expr::symbol("batch");
  Facts facts;
};

TEST_F(AxisStrategiesTest, composes_splits_of_different_dims) {
  EXPECT_EQ(composed("[batch{dp}/batch, _]", "[_, 48{tp}]", {batch, 48}), "[batch{dp}/batch, 48{tp}]");
}

TEST_F(AxisStrategiesTest, composes_splits_of_one_dim_first_one_major) {
  EXPECT_EQ(composed("[48{dp}]", "[48{tp}]", {48}), "[48{dp,tp}]");
  EXPECT_EQ(composed("[48{tp}]", "[48{dp}]", {48}), "[48{tp,dp}]");
}

TEST_F(AxisStrategiesTest, composes_the_merged_batch_and_heads) {
  EXPECT_EQ(composed("[batch{dp}/batch*12, _]", "[batch*12{tp}, _]", {batch * Expr(12), 64}),
            "[batch{dp}/batch*12{tp}, _]");
}

TEST_F(AxisStrategiesTest, keeps_granules_that_both_have) {
  EXPECT_EQ(composed("[84{dp}/7]", "[84{tp}/7]", {84}), "[84{dp,tp}/7]");
}

TEST_F(AxisStrategiesTest, composes_strided_and_contiguous_where_digits_are_disjoint) {
  // 3 pieces over sp, each of 16 over tp.
  EXPECT_EQ(composed("[3*16{tp}]", "[48{sp}]", {48}), "[48{sp,tp}]");
}

TEST_F(AxisStrategiesTest, drops_what_there_is_no_room_for) {
  // The contiguous halves of 48 do not end where the 3 pieces do.
  EXPECT_EQ(composed("[3*16{tp}]", "[48{dp}]", {48}), "[3*16{tp}]");
}

TEST_F(AxisStrategiesTest, granules_of_what_is_joined_end_where_the_next_digit_begins) {
  EXPECT_EQ(composed("[2{dp}*6{sp}]", "[12{tp}]", {12}), "[2{dp,tp}/2*6{sp}]");
}

TEST_F(AxisStrategiesTest, restricts_to_one_axis) {
  EXPECT_EQ(restricted("[48{dp,tp}, 7{sp}/7]", "dp", {48, 7}), "[48{dp}, _]");
  EXPECT_EQ(restricted("[48{dp,tp}, 7{sp}/7]", "tp", {48, 7}), "[48{tp}, _]");
  EXPECT_EQ(restricted("[48{dp,tp}, 7{sp}/7]", "sp", {48, 7}), "[_, 7{sp}/7]");
  EXPECT_EQ(restricted("[48{dp}, _] partial=sum{tp}", "tp", {48, 7}), "[_, _] partial=sum{tp}");
}

TEST_F(AxisStrategiesTest, prints_strategies) {
  TensorShape x{DType::kFloat32, {batch, 36}}, w{DType::kFloat32, {36, 21}}, y{DType::kFloat32, {batch, 21}};
  auto rule = parseRule("i k, k j -> i j", {x, w}, {y}, facts);
  ASSERT_TRUE(rule.ok());
  OpStrategy strategy{Strategy(3), {}};
  strategy.strategy.splits[0] = {{1, {mesh.whole(0)}, batch}};
  strategy.strategy.splits[1] = {{3, {mesh.whole(1)}, 4}};
  EXPECT_EQ(str(*rule, strategy, mesh), "i:{dp}/batch k:3*{tp}");
  strategy.passed.push_back({mesh.whole(2), 1});
  EXPECT_EQ(str(*rule, strategy, mesh), "i:{dp}/batch k:3*{tp} partial:{sp}");
}

TEST_F(AxisStrategiesTest, pin_allows_open_dims_and_other_granules_of_what_does_not_divide) {
  Pin pin{sharding("[_, 42{tp}/42]"), {true, false}};
  EXPECT_TRUE(pin.allows(sharding("[batch{dp}/batch, 42{tp}/42]")));
  EXPECT_TRUE(pin.allows(sharding("[_, 42{tp}/7]"))) << "heads may stay together";
  EXPECT_FALSE(pin.allows(sharding("[_, 42{sp}]")));
  EXPECT_FALSE(pin.allows(sharding("[_, _]")));
  EXPECT_FALSE(pin.allows(sharding("[_, 42{tp}/42] partial=sum{dp}")));
  Pin even{sharding("[_, 48{tp}]"), {}};
  EXPECT_FALSE(even.allows(sharding("[batch{dp}/batch, 48{tp}]"))) << "a closed dim is whole";
}

TEST_F(AxisStrategiesTest, pin_is_imposed_on_closed_dims_only) {
  Exprs dims = {batch, 42};
  Pin pin{sharding("[_, 42{tp}/42]"), {true, false}};
  EXPECT_EQ(str(pin.imposedOn(sharding("[batch{dp}/batch, _]"), dims, facts), mesh), "[batch{dp}/batch, 42{tp}/42]");
  EXPECT_EQ(str(pin.imposedOn(sharding("[_, 42{tp}/7]"), dims, facts), mesh), "[_, 42{tp}/7]");
  EXPECT_EQ(str(pin.imposedOn(sharding("[batch{tp}/batch, _]"), dims, facts), mesh), "[_, 42{tp}/42]")
      << "an axis splits one dim";
}

// Two one-axis shardings of a tensor, made one; as text.
std::string composed(const char* meshText, const Exprs& dims, const char* a, const char* b) {
  Mesh mesh = *Mesh::parse(meshText);
  Facts facts;
  auto form = [&](const char* text) { return canonical(*parseSharding(text, mesh), dims, facts); };
  Sharding both = compose(form(a), form(b), dims, facts);
  EXPECT_TRUE(validate(both, dims, mesh, facts).ok());
  return str(both, mesh);
}

TEST(ComposeShardings, different_dims_keep_their_splits) {
  EXPECT_EQ(composed("x=2,y=3", {7, 21}, "[7{x}/7, _]", "[_, 21{y}]"), "[7{x}/7, 21{y}]");
}

TEST(ComposeShardings, one_dim_divisible_by_both) {
  EXPECT_EQ(composed("x=2,y=3", {12}, "[12{x}]", "[12{y}]"), "[12{x,y}]");
}

// Whichever axis is even, no rank is left without a part.
TEST(ComposeShardings, one_dim_divisible_by_one_of_them) {
  EXPECT_EQ(composed("x=3,y=2", {21}, "[21{x}]", "[21{y}/21]"), "[21{x,y}/21]");
  EXPECT_EQ(composed("x=2,y=3", {21}, "[21{x}/21]", "[21{y}]"), "[21{x,y}/21]");
}

TEST(ComposeShardings, one_dim_divisible_by_each_but_not_by_both) {
  EXPECT_EQ(composed("x=2,y=2", {6}, "[6{x}]", "[6{y}]"), "[6{x,y}/6]");
}

TEST(ComposeShardings, granules_of_both_are_kept) {
  EXPECT_EQ(composed("x=2,y=3", {128}, "[128{x}/8]", "[128{y}/8]"), "[128{x,y}/8]");
}

}  // namespace
}  // namespace shardwright
