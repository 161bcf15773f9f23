// What only shared/ promises; what every communicator does is in tests/conformance.
#include "runtime/comm/shared/shared_group.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/runtime/comm/count_allocations.h"
#include "tests/unit/runtime/comm/shared/shared_run_harness.h"

namespace shardwright {
namespace {

using std::chrono::milliseconds;

// Sizes that are copied at the start, that fill part of a chunk, and that go around the chunks several times.
constexpr int64_t kCounts[] = {7, 9003, 700001};

TEST(SharedGroup, many_operations_of_all_sizes_from_several_mappings) {
  for (int n : {2, 3, 5}) {
    runSharedRanks(n, [n](SharedRank& mine) {
      std::vector<int> ranks(static_cast<size_t>(n));
      std::iota(ranks.rbegin(), ranks.rend(), 0);
      auto group = mine.group(ranks);
      for (int round = 0; round < 2; ++round) {
        for (int64_t count : kCounts) {
          std::vector<float> values(static_cast<size_t>(count));
          for (size_t i = 0; i < values.size(); ++i)
            values[i] = static_cast<float>(i % 911) + static_cast<float>(mine.rank * round);
          Status done = group->runNow(sumInPlace(values));
          ASSERT_TRUE(done.ok()) << done.message();
          for (size_t i = 0; i < values.size(); ++i) {
            ASSERT_EQ(values[i],
                      static_cast<float>(i % 911) * static_cast<float>(n) + static_cast<float>(n * (n - 1) / 2 * round))
                << i;
          }
        }
      }
    });
  }
}

// More chunks than there are places: the sender must not use one again before the slow one has read it.
TEST(SharedGroup, a_sender_does_not_overtake_a_slow_reader) {
  runSharedRanks(3, [](SharedRank& mine) {
    auto group = mine.group({2, 0, 1});
    for (int round = 0; round < 3; ++round) {
      std::vector<float> values(700001);
      for (size_t i = 0; i < values.size(); ++i)
        values[i] = static_cast<float>(mine.rank * 1000000) + static_cast<float>(i + 1);
      if (mine.rank == round) std::this_thread::sleep_for(milliseconds(30));
      StridedBlock block = blockOver(values);
      Status done =
          group->runNow({CollectiveKind::kBroadcast, Combiner::kSum, DType::kFloat32, 0, {block}, {block}, "t"});
      ASSERT_TRUE(done.ok()) << done.message();
      for (size_t i = 0; i < values.size(); ++i) ASSERT_EQ(values[i], 2000000 + static_cast<float>(i + 1)) << i;
    }
  });
}

TEST(SharedGroup, members_that_disagree_are_told_both_sides) {
  for (int64_t count : kCounts) {
    runSharedRanks(2, [count](SharedRank& mine) {
      auto group = mine.group({0, 1}, "tp");
      std::vector<float> values(static_cast<size_t>(mine.rank == 0 ? count : count * 2));
      Status status = group->runNow(sumInPlace(values, "MatMul_4"));
      EXPECT_EQ(status.code(), StatusCode::kInternal);
      for (const char* text : {"MatMul_4", "group tp", mine.rank == 0 ? "rank 1 came with" : "rank 0 came with"})
        EXPECT_NE(status.message().find(text), std::string::npos) << status.message();
    });
  }
}

TEST(SharedGroup, nothing_is_allocated_after_prepare) {
  uint64_t before = 0;
  std::atomic<int> prepared{0};
  runSharedRanks(2, [&](SharedRank& mine) {
    auto group = mine.group({0, 1});
    std::vector<std::vector<float>> values;
    for (int64_t count : kCounts) values.emplace_back(static_cast<size_t>(count), 1.5f);
    std::vector<Collective> ops;
    for (auto& block : values) ops.push_back(sumInPlace(block));
    for (const Collective& op : ops) ASSERT_TRUE(group->prepare(op).ok());
    ++prepared;
    while (prepared < 2) std::this_thread::yield();
    if (mine.rank == 0) before = mine.run->region().allocate(64);
    bool good = true;
    int64_t allocations = allocationsDuring([&] {
      for (int round = 0; round < 20; ++round) {
        for (const Collective& op : ops) good = group->start(op).ok() && good;
        for (size_t k = 0; k < ops.size(); ++k) good = group->wait().ok() && good;
      }
    });
    EXPECT_EQ(allocations, 0);
    EXPECT_TRUE(good);
    if (mine.rank == 0) {
      EXPECT_EQ(mine.run->region().allocate(64) - before, 64u);
    }
  });
}

TEST(SharedGroup, a_failure_that_is_heard_of_ends_a_sleeping_wait) {
  runSharedRanks(2, [](SharedRank& mine) {
    if (mine.rank == 1) return;
    auto group = mine.group({0, 1});
    std::thread watcher([&] {
      std::this_thread::sleep_for(milliseconds(50));
      mine.failed = true;
      mine.run->wakeAll(0, 1);
    });
    std::vector<float> values(9000, 1.0f);
    EXPECT_EQ(group->runNow(sumInPlace(values)).message(), "it has failed");
    watcher.join();
  });
}

// Sums until the end of the process, and tells after some.
[[noreturn]] void sumForEver(const SharedRegion::Address& address, int64_t count, int tell) {
  SharedRank mine(address, 2, 1);
  auto group = mine.group({0, 1}, "dp");
  std::vector<float> values(static_cast<size_t>(count), 1.0f);
  for (int round = 0;; ++round) {
    if (!group->runNow(sumInPlace(values)).ok()) _exit(1);
    if (round == 20 && write(tell, "x", 1) != 1) _exit(2);
  }
}

// Nothing that a process held when it was killed, in the midst of operations, keeps another one from its deadline.
TEST(SharedGroup, a_killed_process_is_named_at_the_deadline) {
  for (int64_t count : kCounts) {
    auto region = testRegion();
    int told[2];
    ASSERT_EQ(pipe(told), 0);
    pid_t child = fork();
    if (child == 0) sumForEver(region->address(), count, told[1]);
    SharedRank mine(region->address(), 2, 0);
    *mine.deadline = milliseconds(400);
    auto group = mine.group({0, 1}, "dp");
    std::vector<float> values(static_cast<size_t>(count), 1.0f);
    std::thread killer([&] {
      char letter;
      EXPECT_EQ(read(told[0], &letter, 1), 1);
      kill(child, SIGKILL);
    });
    Status status;
    while (status.ok()) status = group->runNow(sumInPlace(values, "Add_2"));
    killer.join();
    int ended = 0;
    waitpid(child, &ended, 0);
    EXPECT_TRUE(WIFSIGNALED(ended));
    EXPECT_EQ(status.code(), StatusCode::kEnvironment);
    for (const char* text : {"Add_2", "group dp", "400 ms", "rank 1 has not"})
      EXPECT_NE(status.message().find(text), std::string::npos) << status.message();
    close(told[0]);
    close(told[1]);
  }
}

}  // namespace
}  // namespace shardwright
