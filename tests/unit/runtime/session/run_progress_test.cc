#include "runtime/session/run_progress.h"

#include <gtest/gtest.h>

namespace shardwright {
namespace {

TEST(RunProgress, is_said_now_and_then_as_long_as_runs_are_left) {
  auto began = RunProgress::Clock::now();
  RunProgress progress(50);
  auto at = [&](int seconds) { return began + std::chrono::seconds(seconds) + std::chrono::milliseconds(100); };
  EXPECT_EQ(progress.after(1, at(2)), "");
  EXPECT_EQ(progress.after(10, at(12)), "run 10 of 50 after 12 s; about 48 s to go\n");
  EXPECT_EQ(progress.after(12, at(14)), "");
  EXPECT_EQ(progress.after(25, at(30)), "run 25 of 50 after 30 s; about 30 s to go\n");
  EXPECT_EQ(progress.after(50, at(60)), "");
}

}  // namespace
}  // namespace shardwright
