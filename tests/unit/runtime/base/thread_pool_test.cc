#include "runtime/base/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

namespace shardwright {
namespace {

TEST(ThreadPool, runs_the_task_once_on_each_thread) {
  for (int n : {1, 2, 3, 5}) {
    ThreadPool pool(n);
    std::vector<int> calls(static_cast<size_t>(n), 0);
    for (int round = 0; round < 500; ++round) {
      auto task = [&](int t, int of) {
        EXPECT_EQ(of, n);
        ++calls[static_cast<size_t>(t)];
      };
      pool.run(task);
      for (int count : calls) ASSERT_EQ(count, round + 1);
    }
  }
}

TEST(ThreadPool, wakes_workers_that_sleep_and_waits_for_slow_ones) {
  ThreadPool pool(2);
  for (int round = 0; round < 5; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(3));
    std::atomic<int> done{0};
    auto task = [&](int t, int) {
      if (t == 1) std::this_thread::sleep_for(std::chrono::milliseconds(3));
      ++done;
    };
    pool.run(task);
    EXPECT_EQ(done.load(), 2);
  }
}

TEST(ThreadPool, slices_cover_everything_once_in_whole_granules) {
  for (int64_t count : {0, 1, 7, 64, 100})
    for (int64_t granule : {1, 3, 8}) {
      int64_t next = 0;
      for (int t = 0; t < 3; ++t) {
        Slice slice = threadSlice(count, t, 3, granule);
        EXPECT_EQ(slice.begin, next);
        if (slice.begin < count) {
          EXPECT_EQ(slice.begin % granule, 0);
        }
        next = slice.end;
      }
      EXPECT_EQ(next, count);
    }
}

}  // namespace
}  // namespace shardwright
