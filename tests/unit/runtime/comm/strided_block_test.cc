#include "runtime/comm/strided_block.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

namespace shardwright {
namespace {

StridedBlock blockOf(void* data, std::vector<int64_t> dims, std::vector<int64_t> strides) {
  StridedBlock block;
  block.data = data;
  block.rank = static_cast<int>(dims.size());
  for (size_t i = 0; i < dims.size(); ++i) block.dims[i] = dims[i], block.strides[i] = strides[i];
  return block;
}

std::vector<int32_t> numbers(int64_t count) {
  std::vector<int32_t> values(static_cast<size_t>(count));
  std::iota(values.begin(), values.end(), 1);
  return values;
}

TEST(StridedBlock, contiguity_ignores_strides_of_dims_of_one) {
  int x = 0;
  EXPECT_TRUE(isContiguous(blockOf(&x, {2, 1, 3}, {3, 77, 1})));
  EXPECT_FALSE(isContiguous(blockOf(&x, {2, 3}, {4, 1})));
  EXPECT_FALSE(isContiguous(blockOf(&x, {2, 3}, {1, 2})));
  EXPECT_TRUE(isContiguous(blockOf(&x, {0, 3}, {8, 5})));
  EXPECT_TRUE(isContiguous(blockOf(&x, {}, {})));
}

TEST(StridedBlock, copy_of_every_width_between_layouts) {
  for (int width : {1, 2, 4, 8, 16}) {
    std::vector<unsigned char> from(static_cast<size_t>(30 * width)), to(static_cast<size_t>(40 * width), 0xEE);
    for (size_t i = 0; i < from.size(); ++i) from[i] = static_cast<unsigned char>(i * 3 + 1);
    // [3, 2, 4] of row-padded memory into the transposed order [4, 2, 3].
    copyBlock(blockOf(from.data(), {3, 2, 4}, {10, 5, 1}), blockOf(to.data(), {3, 2, 4}, {1, 3, 6}), width);
    for (int i = 0; i < 3; ++i) {
      for (int j = 0; j < 2; ++j) {
        for (int k = 0; k < 4; ++k) {
          for (int b = 0; b < width; ++b) {
            ASSERT_EQ(to[static_cast<size_t>((i + 3 * j + 6 * k) * width + b)],
                      from[static_cast<size_t>((10 * i + 5 * j + k) * width + b)]);
          }
        }
      }
    }
    EXPECT_EQ(to[static_cast<size_t>(24 * width)], 0xEE);
  }
}

TEST(StridedBlock, any_range_packs_and_unpacks) {
  std::vector<int32_t> memory = numbers(100);
  StridedBlock block = blockOf(memory.data(), {3, 4, 2}, {29, 5, 2});
  std::vector<int32_t> all(24);
  packElements(block, 4, 0, 24, all.data());
  EXPECT_EQ(all[0], 1);
  EXPECT_EQ(all[1], 3);
  EXPECT_EQ(all[2], 6);
  EXPECT_EQ(all[8], 30);
  for (int64_t begin = 0; begin < 24; ++begin) {
    for (int64_t count = 0; begin + count <= 24; ++count) {
      std::vector<int32_t> part(static_cast<size_t>(count), -1);
      packElements(block, 4, begin, count, part.data());
      ASSERT_TRUE(std::equal(part.begin(), part.end(), all.begin() + begin)) << begin << " " << count;
      std::vector<int32_t> copy(100, 0);
      unpackElements(blockOf(copy.data(), {3, 4, 2}, {29, 5, 2}), 4, begin, count, part.data());
      ASSERT_EQ(std::count_if(copy.begin(), copy.end(), [](int32_t v) { return v != 0; }), count);
      for (size_t i = 0; i < copy.size(); ++i) ASSERT_TRUE(copy[i] == 0 || copy[i] == memory[i]);
    }
  }
}

TEST(StridedBlock, a_broadcast_dim_repeats) {
  int32_t value = 42;
  std::vector<int32_t> packed(6, 0);
  packElements(blockOf(&value, {2, 3}, {0, 0}), 4, 0, 6, packed.data());
  EXPECT_EQ(packed, std::vector<int32_t>(6, 42));
}

}  // namespace
}  // namespace shardwright
