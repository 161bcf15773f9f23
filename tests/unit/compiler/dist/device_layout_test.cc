#include "compiler/dist/device_layout.h"

#include <gtest/gtest.h>

namespace shardwright {
namespace {

using Lists = std::vector<std::vector<int64_t>>;

AxisList list(const Mesh& mesh, const std::vector<std::string>& texts) {
  AxisList axes;
  for (const std::string& text : texts) axes.push_back(*mesh.parseSubAxis(text));
  return axes;
}

TEST(DeviceLayout, ranks_follow_the_factors_with_the_first_outermost) {
  Mesh mesh = *Mesh::parse("dp=2,tp=2");
  EXPECT_EQ(ranksOfShards(mesh, {list(mesh, {"tp"})}), (Lists{{0, 2}, {1, 3}}));
  EXPECT_EQ(ranksOfShards(mesh, {list(mesh, {"tp"}), list(mesh, {"dp"})}), (Lists{{0}, {2}, {1}, {3}}));
  EXPECT_EQ(ranksOfShards(mesh, {list(mesh, {"tp", "dp"})}), (Lists{{0}, {2}, {1}, {3}}));
  EXPECT_EQ(ranksOfShards(mesh, {}), (Lists{{0, 1, 2, 3}}));
}

TEST(DeviceLayout, axes_are_found_again) {
  for (const char* text : {"tp=2", "dp=2,tp=3", "dp=3,tp=4", "x=12", "a=2,b=3,c=4", "one=1,tp=5", "x=8,y=6"}) {
    Mesh mesh = *Mesh::parse(text);
    std::vector<SubAxis> digits;
    for (int axis = 0; axis < static_cast<int>(mesh.axes().size()); ++axis) {
      int64_t size = mesh.axes()[static_cast<size_t>(axis)].size;
      for (int64_t pre = 1; pre <= size; ++pre)
        for (int64_t n = 2; pre * n <= size; ++n)
          if (size % (pre * n) == 0) digits.push_back({axis, pre, n});
    }
    for (const SubAxis& a : digits)
      for (const SubAxis& b : digits) {
        // Digits of one axis that belong to one way of cutting it.
        bool isCut = b.pre % (a.pre * a.size) == 0 || a.pre % (b.pre * b.size) == 0;
        if (a.axis == b.axis && !isCut) continue;
        for (const std::vector<AxisList>& factors :
             {std::vector<AxisList>{{a}, {b}}, {canonical(llvm::ArrayRef<SubAxis>{a, b})}, {{a}}}) {
          std::vector<int64_t> counts;
          for (const AxisList& factor : factors) counts.push_back(sizeOf(factor));
          auto found = axesOfShards(mesh, counts, ranksOfShards(mesh, factors));
          ASSERT_TRUE(found.ok()) << text << ": " << mesh.str(a) << " " << mesh.str(b) << ": "
                                  << found.status().message();
          EXPECT_EQ(*found, factors) << text << ": " << mesh.str(a) << " " << mesh.str(b);
        }
      }
  }
}

TEST(DeviceLayout, what_lies_along_no_axes_is_refused) {
  Mesh mesh = *Mesh::parse("dp=2,tp=4");
  struct Case {
    std::vector<int64_t> counts;
    Lists ranks;
    const char* message;
  };
  for (const Case& c : std::vector<Case>{{{2}, {{0, 1, 2, 3}, {4, 5, 6}}, "a device holds no shard"},
                                         {{2}, {{0, 1, 2, 3, 4}, {4, 5, 6, 7}}, "a device holds two shards"},
                                         {{2}, {{4, 5, 6, 7}, {0, 1, 2, 3}}, "no arrangement along axes"},
                                         {{2}, {{0, 1, 2, 4}, {3, 5, 6, 7}}, "no arrangement along axes"},
                                         {{4}, {{0, 4}, {2, 6}, {3, 7}, {1, 5}}, "no arrangement along axes"}}) {
    auto found = axesOfShards(mesh, c.counts, c.ranks);
    ASSERT_FALSE(found.ok());
    EXPECT_EQ(found.status().code(), StatusCode::kUserError);
    EXPECT_NE(found.status().message().find(c.message), std::string::npos) << found.status().message();
  }
}

}  // namespace
}  // namespace shardwright
