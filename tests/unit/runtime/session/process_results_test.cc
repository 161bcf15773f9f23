#include "runtime/session/process_results.h"

#include <gtest/gtest.h>

#include <cstring>

namespace shardwright {
namespace {

class ProcessResultsTest : public testing::Test {
 protected:
  template <typename T>
  void put(T value) {
    auto* at = reinterpret_cast<const char*>(&value);
    bytes_.insert(bytes_.end(), at, at + sizeof value);
  }

  // A window of `count` floats, `offset` bytes into output `port`, with as many values as it should have.
  void putWindow(int32_t port, int64_t offset, int64_t count, int64_t stride) {
    put<int32_t>(port);
    put(static_cast<int32_t>(DType::kFloat32));
    put(offset);
    StridedBlock block;
    block.rank = 1;
    block.dims[0] = count;
    block.strides[0] = stride;
    put(block);
    for (int64_t i = 0; i < count; ++i) put(static_cast<float>(i + 1));
  }

  void putStart(int32_t first, int32_t ranks, int64_t windows) {
    put(first);
    put(ranks);
    for (int32_t r = 0; r < ranks; ++r) {
      RankStats rankStats;
      rankStats.weightBytes = 100 + r;
      put(rankStats);
    }
    put(windows);
  }

  Status unpack() { return unpackResults(bytes_, {&plan_, {output_}, {sizeof output_}, &stats_, &traces_}); }

  plan::Plan plan_;
  float output_[7] = {};
  std::vector<RankStats> stats_ = std::vector<RankStats>(3);
  std::vector<RankTrace> traces_;
  std::vector<char> bytes_;
};

TEST_F(ProcessResultsTest, windows_and_counts_of_another_process_become_part_of_the_whole) {
  putStart(1, 2, 2);
  putWindow(0, 4, 3, 2);
  putWindow(0, 0, 1, 1);
  ASSERT_TRUE(unpack().ok());
  const float expected[] = {1, 1, 0, 2, 0, 3, 0};
  for (int i = 0; i < 7; ++i) EXPECT_EQ(output_[i], expected[i]) << i;
  EXPECT_EQ(stats_[0].weightBytes, 0);
  EXPECT_EQ(stats_[1].weightBytes, 100);
  EXPECT_EQ(stats_[2].weightBytes, 101);
}

TEST_F(ProcessResultsTest, what_ends_early_is_refused) {
  putStart(1, 2, 1);
  putWindow(0, 4, 3, 2);
  std::vector<char> whole = bytes_;
  for (size_t size = 0; size < whole.size(); ++size) {
    bytes_.assign(whole.begin(), whole.begin() + static_cast<int64_t>(size));
    Status status = unpack();
    ASSERT_EQ(status.code(), StatusCode::kEnvironment) << size << " of " << whole.size();
  }
}

TEST_F(ProcessResultsTest, what_lies_outside_is_refused) {
  struct Case {
    int32_t port;
    int64_t offset, count, stride;
  };
  for (const Case& wrong : {Case{1, 0, 1, 1}, Case{-1, 0, 1, 1}, Case{0, 28, 1, 1}, Case{0, -4, 1, 1}, Case{0, 8, 3, 3},
                            Case{0, 8, 3, -1}}) {
    bytes_.clear();
    putStart(0, 1, 1);
    putWindow(wrong.port, wrong.offset, wrong.count, wrong.stride);
    EXPECT_EQ(unpack().code(), StatusCode::kEnvironment) << wrong.port << " " << wrong.offset << " " << wrong.stride;
  }
  bytes_.clear();
  putStart(2, 2, 0);
  EXPECT_EQ(unpack().code(), StatusCode::kEnvironment);
}

}  // namespace
}  // namespace shardwright
