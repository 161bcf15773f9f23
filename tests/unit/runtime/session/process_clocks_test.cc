#include "runtime/session/process_clocks.h"

#include <gtest/gtest.h>

namespace shardwright {
namespace {

TEST(ProcessClocks, an_exchange_tells_the_offset_within_half_its_time) {
  ClockOffset behind = clockOffset(100, 5130, 140);
  EXPECT_EQ(behind.offset, -5010);
  EXPECT_EQ(behind.error, 20);
  EXPECT_EQ(clockOffset(70'000, 1'000, 70'100).offset, 69'050);
}

TEST(ProcessClocks, clocks_that_may_be_the_same_are_left_as_they_are) {
  EXPECT_EQ(clockOffset(100, 125, 140).offset, 0);
  EXPECT_EQ(clockOffset(100, 140, 140).offset, 0);
  EXPECT_EQ(clockOffset(100, 100, 140).offset, 0);
  EXPECT_NE(clockOffset(100, 141, 140).offset, 0);
}

}  // namespace
}  // namespace shardwright
