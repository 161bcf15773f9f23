#include "runtime/comm/shared/shared_mailbox.h"

#include <gtest/gtest.h>

#include <thread>

#include "tests/unit/runtime/comm/shared/shared_run_harness.h"

namespace shardwright {
namespace {

std::vector<int64_t> numbers(int64_t count, int64_t from) {
  std::vector<int64_t> all(static_cast<size_t>(count));
  std::iota(all.begin(), all.end(), from);
  return all;
}

Status put(SharedMailbox& box, std::vector<int64_t> values) { return box.put(blockOver(values), DType::kInt64, 8); }

void expectNext(SharedMailbox& box, const std::vector<int64_t>& values) {
  std::vector<int64_t> got(values.size());
  Status taken = box.take(blockOver(got), DType::kInt64, 8);
  ASSERT_TRUE(taken.ok()) << taken.message();
  ASSERT_EQ(got, values);
}

TEST(SharedMailbox, messages_of_changing_sizes_arrive_in_order) {
  constexpr int kMessages = 2000;
  auto region = testRegion();
  auto message = [](int k) { return numbers(k * 37 % 5001, k); };
  std::thread sender([&] {
    SharedMailbox box;
    ASSERT_TRUE(box.open(*region, 3, 1, 7));
    for (int k = 0; k < kMessages; ++k) ASSERT_TRUE(put(box, message(k)).ok());
  });
  SharedMailbox box;
  ASSERT_TRUE(box.open(*region, 3, 1, 7));
  for (int k = 0; k < kMessages; ++k) {
    while (box.empty()) std::this_thread::yield();
    expectNext(box, message(k));
  }
  EXPECT_TRUE(box.empty());
  sender.join();
}

TEST(SharedMailbox, memory_is_used_again) {
  auto region = testRegion();
  SharedMailbox box;
  ASSERT_TRUE(box.open(*region, 0, 1, 0));
  // Small and large ones in turns, three under way at once.
  auto exchange = [&](int rounds) {
    for (int round = 0; round < rounds; ++round) {
      for (int64_t count : {3, 70000, 500}) ASSERT_TRUE(put(box, numbers(count, round)).ok());
      for (int64_t count : {3, 70000, 500}) expectNext(box, numbers(count, round));
    }
  };
  exchange(4);
  uint64_t before = region->allocate(64);
  exchange(50);
  EXPECT_EQ(region->allocate(64) - before, 64u);
}

TEST(SharedMailbox, a_message_of_another_size_is_refused) {
  auto region = testRegion();
  SharedMailbox box;
  ASSERT_TRUE(box.open(*region, 0, 1, 0));
  ASSERT_TRUE(put(box, numbers(5, 2)).ok());
  std::vector<int64_t> room(4);
  Status taken = box.take(blockOver(room), DType::kInt64, 8);
  EXPECT_EQ(taken.code(), StatusCode::kInternal);
  EXPECT_NE(taken.message().find("a message of 5 int64 meets a block of 4 int64"), std::string::npos)
      << taken.message();
}

TEST(SharedMailbox, a_sender_that_finds_no_room_says_why) {
  auto region = SharedRegion::create(256 << 10);
  ASSERT_TRUE(region.ok());
  SharedMailbox box;
  ASSERT_TRUE(box.open(**region, 0, 1, 0));
  Status status;
  for (int k = 0; k < 100 && status.ok(); ++k) status = put(box, numbers(2000, k));
  EXPECT_EQ(status.code(), StatusCode::kEnvironment);
  EXPECT_NE(status.message().find("too far behind"), std::string::npos) << status.message();
  expectNext(box, numbers(2000, 0));
}

}  // namespace
}  // namespace shardwright
