#include "runtime/device/cpu/page_memory.h"

#include <gtest/gtest.h>

#include <cstring>

namespace shardwright {
namespace {

TEST(PageMemory, blocks_of_all_sizes_are_aligned_and_writable) {
  for (int64_t bytes : {int64_t{0}, int64_t{1}, int64_t{4097}, int64_t{200} << 10, (int64_t{5} << 20) + 3}) {
    auto memory = PageMemory::allocate(bytes);
    ASSERT_TRUE(memory.ok());
    EXPECT_EQ(reinterpret_cast<uintptr_t>(memory->data()) % 64, 0u);
    EXPECT_EQ(memory->sizeBytes(), bytes);
    std::memset(memory->data(), 7, static_cast<size_t>(bytes));
    PageMemory moved = std::move(*memory);
    EXPECT_EQ(memory->data(), nullptr);
    if (bytes > 0) {
      EXPECT_EQ(moved.data()[bytes - 1], 7);
    }
  }
}

TEST(PageMemory, more_than_the_machine_can_map_is_an_environment_error) {
  auto memory = PageMemory::allocate(int64_t{1} << 60);
  ASSERT_FALSE(memory.ok());
  EXPECT_EQ(memory.status().code(), StatusCode::kEnvironment);
}

}  // namespace
}  // namespace shardwright
