#include "runtime/base/facts.h"

#include <gtest/gtest.h>

namespace shardwright {
namespace {

Expr parsed(const std::string& text) { return *Expr::parse(text); }

TEST(Facts, definitions_hold_in_either_order) {
  Facts facts;
  facts.define("total", parsed("past + seq"));
  facts.define("past", parsed("2*k"));
  EXPECT_TRUE(facts.provablyEqual(parsed("total - seq"), parsed("2*k")));
  EXPECT_FALSE(facts.provablyEqual(parsed("total"), parsed("seq")));
}

TEST(Facts, divisors_settle_divisions) {
  Facts facts;
  facts.setRange("S", {8, 512, 8});
  EXPECT_TRUE(facts.provablyDivides(4, parsed("S*n + 12")));
  EXPECT_FALSE(facts.provablyDivides(16, parsed("S")));
  EXPECT_TRUE(facts.provablyEqual(parsed("mod(S, 4)"), Expr(0)));
  EXPECT_TRUE(facts.provablyEqual(parsed("4*floordiv(S, 4)"), parsed("S")));
  EXPECT_EQ(facts.simplify(parsed("2*floordiv(S, 4) + S")).str(), "3*floordiv(S, 2)");
  EXPECT_EQ(facts.simplify(parsed("floordiv(S + 3, 8)")).str(), "floordiv(S, 8)");
}

TEST(Facts, ranges_decide_calls) {
  Facts facts;
  facts.setRange("n", {1, 7});
  facts.setRange("m", {9, 20});
  EXPECT_EQ(facts.simplify(parsed("max(n, m)")), parsed("m"));
  EXPECT_EQ(facts.simplify(parsed("min(n, m, 8) + floordiv(n, 8)")), parsed("n"));
  EXPECT_EQ(facts.simplify(parsed("floordiv(n, m)")), Expr(0));
  EXPECT_EQ(facts.simplify(parsed("mod(n, m)")), parsed("n"));
  EXPECT_EQ(facts.simplify(parsed("max(n, 5)")), parsed("max(n, 5)"));
}

TEST(Facts, bounds_see_through_cancellation) {
  Facts facts;
  facts.setRange("B", {1});
  facts.setRange("S", {1});
  EXPECT_GE(facts.lowerBound(parsed("B*S - B")), 0);
  EXPECT_TRUE(facts.provablyPositive(parsed("B*S")));
  EXPECT_FALSE(facts.provablyPositive(parsed("B - S")));
  EXPECT_EQ(facts.lowerBound(parsed("max(B - S, 0)")), 0);
  EXPECT_EQ(facts.lowerBound(parsed("mod(S, 4)")), 0);
  EXPECT_EQ(facts.upperBound(parsed("mod(S, 4)")), 3);
  EXPECT_EQ(facts.upperBound(parsed("-S")), -1);
  EXPECT_EQ(facts.upperBound(parsed("S")), std::numeric_limits<int64_t>::max());
  facts.setRange("@tp", {0, 3});
  Expr part = parsed("floordiv((@tp + 1)*7, 4) - floordiv(@tp*7, 4)");
  EXPECT_EQ(facts.lowerBound(part), 1);
  EXPECT_EQ(facts.upperBound(part), 2);
}

TEST(Facts, a_symbol_of_one_value_is_that_value) {
  Facts facts;
  facts.setRange("n", {6, 6});
  EXPECT_EQ(facts.simplify(parsed("floordiv(n*k, 4)")), parsed("k + floordiv(k, 2)"));
}

}  // namespace
}  // namespace shardwright
