#include "tests/unit/runtime/comm/count_allocations.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/unit/runtime/exec/interposed_malloc.h"

namespace {

thread_local int64_t* counter = nullptr;

}  // namespace

void shardwright::onAllocation() {
  if (counter) ++*counter;
}

namespace shardwright {

int64_t allocationsDuring(const std::function<void()>& body) {
  int64_t count = 0;
  counter = &count;
  body();
  counter = nullptr;
  return count;
}

TEST(CountAllocations, they_are_counted) {
  if (!SHARDWRIGHT_COUNTS_ALLOCATIONS) GTEST_SKIP() << "a sanitizer owns the allocator";
  std::vector<int> values;
  EXPECT_EQ(allocationsDuring([&] { values.resize(30); }), 1);
}

}  // namespace shardwright
