#include <chrono>
#include <thread>

#include "tests/conformance/communicator_conformance.h"
#include "tests/conformance/strided_tensor.h"

namespace shardwright {
namespace {

using std::chrono::milliseconds;

StridedTensor counting(int64_t count, int64_t from) {
  StridedTensor tensor(DType::kInt64, {count}, Layout::kPaddedRows);
  for (int64_t i = 0; i < count; ++i) tensor.set(i, static_cast<double>(from + i));
  return tensor;
}

Collective sumOf(StridedTensor& tensor, const std::string& name) {
  return {CollectiveKind::kAllReduce, Combiner::kSum, DType::kInt64, 0, {tensor.block()}, {tensor.block()}, name};
}

TEST_P(CommunicatorConformance, messages_arrive_in_order_per_channel) {
  GetParam().run(2, [&](World& world) {
    int peer = 1 - world.rank();
    // Both send first; channels are received in the other order.
    for (int64_t k = 0; k < 5; ++k) {
      for (uint32_t channel : {7u, 9u}) {
        StridedTensor out = counting(k * 600, world.rank() * 1000 + k * 10 + channel);
        ASSERT_TRUE(world.send(peer, channel, out.block(), DType::kInt64, "out").ok());
      }
    }
    for (uint32_t channel : {9u, 7u}) {
      for (int64_t k = 0; k < 5; ++k) {
        StridedTensor in(DType::kInt64, {k * 600});
        Status received = world.receive(peer, channel, in.block(), DType::kInt64, "in");
        ASSERT_TRUE(received.ok()) << received.message();
        for (int64_t i = 0; i < in.count(); ++i) {
          ASSERT_EQ(in.get(i), static_cast<double>(peer * 1000 + k * 10 + channel + i));
        }
      }
    }
  });
}

TEST_P(CommunicatorConformance, a_rank_sends_to_itself) {
  GetParam().run(2, [&](World& world) {
    for (int64_t k = 1; k < 3; ++k) {
      StridedTensor out = counting(k * 5, world.rank() * 100 + k);
      ASSERT_TRUE(world.send(world.rank(), 3, out.block(), DType::kInt64, "out").ok());
    }
    for (int64_t k = 1; k < 3; ++k) {
      StridedTensor in(DType::kInt64, {k * 5});
      Status received = world.receive(world.rank(), 3, in.block(), DType::kInt64, "in");
      ASSERT_TRUE(received.ok()) << received.message();
      ASSERT_EQ(in.get(k), static_cast<double>(world.rank() * 100 + k + k));
    }
  });
}

TEST_P(CommunicatorConformance, abort_of_one_rank_wakes_all_others_with_its_message) {
  GetParam().run(4, [&](World& world) {
    world.setDeadline(milliseconds(60000));
    auto group = world.group({0, 1, 2, 3}, "g");
    ASSERT_TRUE(group.ok());
    auto began = std::chrono::steady_clock::now();
    Status seen;
    if (world.rank() == 2) {
      std::this_thread::sleep_for(milliseconds(30));  // the others sleep by then
      world.abort(environmentError("rank 2, step MatMul_7: the disk is on fire"));
      world.abort(environmentError("a later reason, which is not the cause"));
      seen = world.receive(1, 5, counting(3, 0).block(), DType::kInt64, "in");
    } else if (world.rank() == 3) {
      seen = world.receive(2, 5, counting(3, 0).block(), DType::kInt64, "in");
    } else {
      StridedTensor value = counting(3, 1);
      Collective op = sumOf(value, "t");
      seen = (*group)->runNow(op);
    }
    EXPECT_EQ(seen.code(), StatusCode::kEnvironment);
    EXPECT_EQ(seen.message(), "rank 2, step MatMul_7: the disk is on fire");
    EXPECT_LT(std::chrono::steady_clock::now() - began, milliseconds(20000));
  });
}

TEST_P(CommunicatorConformance, nothing_starts_after_an_abort) {
  GetParam().run(2, [&](World& world) {
    world.setDeadline(milliseconds(60000));
    auto group = world.group({0, 1}, "g");
    ASSERT_TRUE(group.ok());
    if (world.rank() == 0) world.abort(userError("no"));
    StridedTensor value = counting(3, 1);
    Collective op = sumOf(value, "t");
    Status seen = (*group)->runNow(op);
    EXPECT_EQ(seen.code(), StatusCode::kEnvironment);
    EXPECT_EQ(seen.message(), "no");
  });
}

TEST_P(CommunicatorConformance, a_deadline_names_the_operation_and_who_is_missing) {
  for (int64_t count : {int64_t{3}, int64_t{9000}}) {
    GetParam().run(4, [&](World& world) {
      auto group = world.group({3, 0, 2, 1}, "tp");
      ASSERT_TRUE(group.ok());
      if (world.rank() == 1 || world.rank() == 2) return;
      // Who comes does so together, however busy the machine is.
      auto who = world.group({0, 3}, "who comes");
      ASSERT_TRUE(who.ok());
      StridedTensor one = counting(1, 1);
      ASSERT_TRUE((*who)->runNow(sumOf(one, "who comes")).ok());
      world.setDeadline(milliseconds(150));
      StridedTensor value = counting(count, 1);
      Collective op = sumOf(value, "MatMul_3 (hidden)");
      Status seen = (*group)->runNow(op);
      EXPECT_EQ(seen.code(), StatusCode::kEnvironment);
      EXPECT_NE(seen.message().find("MatMul_3 (hidden)"), std::string::npos) << seen.message();
      EXPECT_NE(seen.message().find("rank 2, 1"), std::string::npos) << seen.message();
      EXPECT_NE(seen.message().find("150 ms"), std::string::npos) << seen.message();
    });
  }
}

TEST_P(CommunicatorConformance, a_deadline_of_a_message_names_its_sender) {
  GetParam().run(3, [&](World& world) {
    world.setDeadline(milliseconds(50));
    if (world.rank() != 0) return;
    StridedTensor in = counting(4, 0);
    Status seen = world.receive(2, 17, in.block(), DType::kInt64, "stage 1 input");
    EXPECT_EQ(seen.code(), StatusCode::kEnvironment);
    EXPECT_NE(seen.message().find("stage 1 input"), std::string::npos) << seen.message();
    EXPECT_NE(seen.message().find("rank 2"), std::string::npos) << seen.message();
    EXPECT_NE(seen.message().find("channel 17"), std::string::npos) << seen.message();
  });
}

}  // namespace
}  // namespace shardwright
