#include "compiler/dist/mesh.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace shardwright {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

AxisList axes(const Mesh& mesh, std::initializer_list<const char*> texts) {
  AxisList list;
  for (const char* text : texts) list.push_back(*mesh.parseSubAxis(text));
  return list;
}

TEST(Mesh, parsesWhatItPrints) {
  Mesh mesh = *Mesh::parse("dp=2, tp=12");
  EXPECT_EQ(mesh.str(), "dp=2,tp=12");
  EXPECT_EQ(mesh.numRanks(), 24);
  EXPECT_EQ(Mesh::parse("")->numRanks(), 1);
  for (const char* text : {"tp", "tp:(1)2", "tp:(2)3", "tp:(6)2", "dp"})
    EXPECT_EQ(mesh.str(*mesh.parseSubAxis(text)), text);
}

TEST(Mesh, refusesWhatIsWrongByName) {
  auto message = [](const char* text) { return Mesh::parse(text).status().message(); };
  EXPECT_THAT(message("dp=2,dp=3"), HasSubstr("axis dp is named twice"));
  EXPECT_THAT(message("dp=0"), HasSubstr("axis dp has the size \"0\""));
  EXPECT_THAT(message("dp=x"), HasSubstr("axis dp has the size \"x\""));
  EXPECT_THAT(message("2=2"), HasSubstr("\"2=2\" is not NAME=SIZE"));
  EXPECT_THAT(message("dp=2,"), HasSubstr("\"\" is not NAME=SIZE"));
  EXPECT_THAT(message("a=99999999999,b=9"), HasSubstr("more than"));
  Mesh mesh = *Mesh::parse("tp=6");
  EXPECT_THAT(mesh.parseSubAxis("tp:(2)2").status().message(), HasSubstr("is no part of axis tp of size 6"));
  EXPECT_THAT(mesh.parseSubAxis("dp").status().message(), HasSubstr("there is no mesh axis \"dp\"; the mesh is tp=6"));
}

TEST(Mesh, coordinatesOfASubAxisAreItsDigit) {
  Mesh mesh = *Mesh::parse("dp=2,tp=12");
  AxisList list = axes(mesh, {"tp:(2)3", "dp"});
  for (int64_t rank = 0; rank < 24; ++rank) {
    std::vector<int64_t> c = mesh.coordinatesOf(rank);
    EXPECT_EQ(c[0] * 12 + c[1], rank);
    Bindings at = {{"@dp", c[0]}, {"@tp", c[1]}};
    EXPECT_EQ(*mesh.coordinate(list).evaluate(at), c[1] / 2 % 3 * 2 + c[0]);
    EXPECT_EQ(*mesh.coordinate(mesh.whole(1)).evaluate(at), c[1]);
  }
  EXPECT_EQ(mesh.coordinate(AxisList()), Expr(0));
}

TEST(AxisList, mergesWhatContinues) {
  Mesh mesh = *Mesh::parse("dp=2,tp=12");
  EXPECT_EQ(canonical(axes(mesh, {"tp:(1)2", "tp:(2)3", "tp:(6)2"})), axes(mesh, {"tp"}));
  EXPECT_EQ(canonical(axes(mesh, {"tp:(2)3", "tp:(1)2"})), axes(mesh, {"tp:(2)3", "tp:(1)2"}));
  EXPECT_EQ(canonical(axes(mesh, {"tp:(1)2", "tp:(6)2"})), axes(mesh, {"tp:(1)2", "tp:(6)2"}));
  EXPECT_EQ(sizeOf(axes(mesh, {"dp", "tp:(2)3"})), 6);
  EXPECT_EQ(sizeOf({}), 1);
}

TEST(AxisList, subAxesOverlapWhereTheirDigitsDo) {
  Mesh mesh = *Mesh::parse("dp=2,tp=12");
  auto overlap = [&](const char* a, const char* b) { return overlaps(axes(mesh, {a}), axes(mesh, {b})); };
  EXPECT_TRUE(overlap("tp", "tp:(6)2"));
  EXPECT_TRUE(overlap("tp:(2)3", "tp:(3)2"));
  EXPECT_FALSE(overlap("tp:(1)2", "tp:(2)3"));
  EXPECT_FALSE(overlap("tp", "dp"));
}

TEST(AxisList, prefixesAreComparedDigitByDigit) {
  Mesh mesh = *Mesh::parse("dp=2,tp=12");
  AxisList a = axes(mesh, {"tp", "dp"}), b = axes(mesh, {"tp:(1)2", "tp:(2)2", "dp"});
  EXPECT_EQ(commonPrefix(a, b), axes(mesh, {"tp:(1)4"}));
  EXPECT_EQ(withoutPrefix(a, axes(mesh, {"tp:(1)4"})), axes(mesh, {"tp:(4)3", "dp"}));
  EXPECT_EQ(withoutPrefix(a, a), AxisList());
  EXPECT_EQ(commonPrefix(axes(mesh, {"dp"}), axes(mesh, {"tp"})), AxisList());
  // 2·6 and 3·4 have no common digit.
  EXPECT_EQ(commonPrefix(axes(mesh, {"tp:(1)2"}), axes(mesh, {"tp:(1)3"})), AxisList());
}

TEST(AxisList, freeAxesAreWhatIsLeft) {
  Mesh mesh = *Mesh::parse("dp=2,tp=12");
  EXPECT_EQ(freeAxes(mesh, {}), axes(mesh, {"dp", "tp"}));
  EXPECT_EQ(freeAxes(mesh, axes(mesh, {"tp:(2)3"})), axes(mesh, {"dp", "tp:(1)2", "tp:(6)2"}));
  EXPECT_EQ(freeAxes(mesh, axes(mesh, {"tp:(2)6", "dp"})), axes(mesh, {"tp:(1)2"}));
  EXPECT_EQ(freeAxes(mesh, axes(mesh, {"tp", "dp"})), AxisList());
}

}  // namespace
}  // namespace shardwright
