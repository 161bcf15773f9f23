#include "runtime/comm/local/local_fabric.h"

#include <gtest/gtest.h>

#include <functional>
#include <thread>
#include <vector>

#include "tests/unit/runtime/comm/block_over.h"

namespace shardwright {
namespace {

void runRanks(int n, const std::function<void(World&)>& body) {
  LocalFabric fabric(n);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < n; ++rank) {
    threads.emplace_back([&, rank] { body(*fabric.world(rank)); });
  }
  for (std::thread& thread : threads) thread.join();
}

Collective sum(std::vector<float>& values) {
  return {
      CollectiveKind::kAllReduce, Combiner::kSum, DType::kFloat32, 0, {blockOver(values)}, {blockOver(values)}, "h"};
}

// What members disagree on is said, with both sides, by every member that sees it.
void expectMismatch(const std::function<Collective(int rank, std::vector<float>&)>& make, const std::string& text) {
  runRanks(2, [&](World& world) {
    auto group = world.group({0, 1}, "tp");
    ASSERT_TRUE(group.ok());
    std::vector<float> values(6000, 1.0f);
    Collective op = make(world.rank(), values);
    Status status = (*group)->runNow(op);
    if (!status.ok()) world.abort(status);
    EXPECT_FALSE(status.ok());
    EXPECT_NE(status.message().find(text), std::string::npos) << status.message();
  });
}

TEST(LocalFabric, members_with_different_kinds) {
  expectMismatch(
      [](int rank, std::vector<float>& values) {
        Collective op = sum(values);
        if (rank == 1) op.kind = CollectiveKind::kPermute;
        return op;
      },
      "permute");
}

TEST(LocalFabric, members_with_different_sizes) {
  expectMismatch(
      [](int rank, std::vector<float>& values) {
        if (rank == 1) values.resize(10);
        return sum(values);
      },
      "6000");
}

TEST(LocalFabric, members_with_different_combiners) {
  expectMismatch(
      [](int rank, std::vector<float>& values) {
        Collective op = sum(values);
        if (rank == 1) op.combiner = Combiner::kProd;
        return op;
      },
      "prod");
}

TEST(LocalFabric, what_a_member_gets_wrong_alone_is_said_at_once) {
  LocalFabric fabric(2);
  auto world = fabric.world(0);
  auto group = world->group({0, 1}, "tp");
  ASSERT_TRUE(group.ok());
  std::vector<float> values(4, 1.0f);
  Collective op = sum(values);
  op.kind = CollectiveKind::kAllGather;
  EXPECT_NE((*group)->prepare(op).message().find("1 to receive; it takes 1 and 2"), std::string::npos);
  op = sum(values);
  op.dtype = DType::kInt4;
  EXPECT_NE((*group)->prepare(op).message().find("int4"), std::string::npos);
  op = sum(values);
  op.kind = CollectiveKind::kPermute;
  op.peer = 2;
  EXPECT_NE((*group)->prepare(op).message().find("peer 2"), std::string::npos);
  EXPECT_FALSE(world->group({1}, "x").ok());
  EXPECT_FALSE(world->group({0, 0}, "x").ok());
  EXPECT_FALSE(world->group({0, 5}, "x").ok());
  EXPECT_FALSE((*group)->wait().ok());
}

TEST(LocalFabric, no_more_than_the_pending_operations_start) {
  LocalFabric fabric(2);
  auto world = fabric.world(0);
  auto group = world->group({0, 1}, "tp");
  ASSERT_TRUE(group.ok());
  std::vector<float> values(4, 1.0f);
  Collective op = sum(values);
  for (int i = 0; i < Communicator::kMaxPending; ++i) EXPECT_TRUE((*group)->start(op).ok());
  EXPECT_EQ((*group)->start(op).code(), StatusCode::kInternal);
}

TEST(LocalFabric, the_first_failure_keeps_its_own_code) {
  LocalFabric fabric(2);
  auto world = fabric.world(1);
  world->abort(userError("first"));
  fabric.abort(environmentError("second"));
  EXPECT_EQ(fabric.failure().code(), StatusCode::kUserError);
  EXPECT_EQ(fabric.failure().message(), "first");
}

}  // namespace
}  // namespace shardwright
