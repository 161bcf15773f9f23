#include "runtime/plan/mesh_ranks.h"

#include <gtest/gtest.h>

#include <set>

namespace shardwright {
namespace {

plan::Mesh meshOf(const std::vector<std::pair<std::string, int>>& axes) {
  plan::Mesh mesh;
  for (const auto& [name, size] : axes) {
    plan::Mesh::Axis* axis = mesh.add_axes();
    axis->set_name(name);
    axis->set_size(size);
  }
  return mesh;
}

plan::Group groupOf(const std::vector<std::array<int, 3>>& axes) {
  plan::Group group;
  for (auto [axis, pre, size] : axes) {
    plan::SubAxis* subAxis = group.add_axes();
    subAxis->set_axis(static_cast<uint32_t>(axis));
    subAxis->set_pre(pre);
    subAxis->set_size(size);
  }
  return group;
}

TEST(MeshRanks, ranks_count_the_last_axis_fastest) {
  plan::Mesh mesh = meshOf({{"dp", 2}, {"tp", 3}});
  EXPECT_EQ(numRanks(mesh), 6);
  EXPECT_EQ(coordinatesOf(mesh, 4), (std::vector<int64_t>{1, 1}));
  for (int rank = 0; rank < 6; ++rank) EXPECT_EQ(rankAt(mesh, coordinatesOf(mesh, rank)), rank);
  EXPECT_EQ(numRanks(plan::Mesh()), 1);
  Bindings bindings;
  bindCoordinates(mesh, 5, bindings);
  EXPECT_EQ(bindings, (Bindings{{"@dp", 1}, {"@tp", 2}}));
}

TEST(MeshRanks, members_come_in_the_order_of_the_listed_digits) {
  plan::Mesh mesh = meshOf({{"dp", 2}, {"tp", 3}});
  GroupMembers tp = membersOf(mesh, groupOf({{1, 1, 3}}), 4);
  EXPECT_EQ(tp.ranks, (std::vector<int>{3, 4, 5}));
  EXPECT_EQ(tp.index, 1);
  GroupMembers both = membersOf(mesh, groupOf({{1, 1, 3}, {0, 1, 2}}), 4);
  EXPECT_EQ(both.ranks, (std::vector<int>{0, 3, 1, 4, 2, 5}));
  EXPECT_EQ(both.index, 3);
}

TEST(MeshRanks, digits_of_one_axis_form_groups_of_their_own) {
  plan::Mesh mesh = meshOf({{"tp", 8}, {"x", 3}});
  plan::Group upper = groupOf({{0, 1, 2}}), lower = groupOf({{0, 2, 4}});
  int rank = rankAt(mesh, {5, 2});  // digits 1 and 1
  EXPECT_EQ(membersOf(mesh, upper, rank).ranks, (std::vector<int>{rankAt(mesh, {1, 2}), rank}));
  EXPECT_EQ(membersOf(mesh, lower, rank).index, 1);
  EXPECT_EQ(subAxisText(mesh, lower.axes(0)), "tp:(2)4");
  EXPECT_EQ(subAxisText(mesh, groupOf({{0, 1, 8}}).axes(0)), "tp");
  // Groups partition the ranks, and every member sees the same list.
  for (const plan::Group& group : {upper, lower}) {
    std::set<int> seen;
    for (int r = 0; r < numRanks(mesh); ++r) {
      GroupMembers members = membersOf(mesh, group, r);
      EXPECT_EQ(members.ranks[static_cast<size_t>(members.index)], r);
      for (int m : members.ranks) EXPECT_EQ(membersOf(mesh, group, m).ranks, members.ranks);
      seen.insert(r);
    }
    EXPECT_EQ(seen.size(), 24u);
  }
}

TEST(MeshRanks, stages_are_the_axis_pp) {
  plan::Mesh mesh = meshOf({{"dp", 3}, {"pp", 2}, {"tp", 2}});
  EXPECT_EQ(numStages(mesh), 2);
  EXPECT_EQ(stageOf(mesh, 6), 1);
  EXPECT_EQ(numStages(meshOf({{"tp", 4}})), 1);
}

TEST(MeshRanks, granules_stay_whole) {
  EXPECT_EQ(granulePart(8, 0, 3).end, 2);
  EXPECT_EQ(granulePart(8, 1, 3).end, 5);
  EXPECT_EQ(granulePart(8, 2, 3).end, 8);
  EXPECT_EQ(granulePart(2, 1, 4).begin, granulePart(2, 1, 4).end - 1);
}

}  // namespace
}  // namespace shardwright
