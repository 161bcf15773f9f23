#include "compiler/analysis/axis_strategies.h"

#include <gtest/gtest.h>

namespace shardwright {
namespace {

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
