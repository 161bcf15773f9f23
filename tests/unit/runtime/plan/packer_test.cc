#include "runtime/plan/packer.h"

#include <gtest/gtest.h>

#include <random>

namespace shardwright {
namespace {

bool meet(const PackItem& a, const PackItem& b) { return a.firstStep <= b.lastStep && b.firstStep <= a.lastStep; }

void expectSound(const std::vector<PackItem>& items, const Packing& packing) {
  ASSERT_EQ(packing.offsets.size(), items.size());
  for (size_t i = 0; i < items.size(); ++i) {
    EXPECT_EQ(packing.offsets[i] % kBufferAlignment, 0);
    EXPECT_GE(packing.offsets[i], 0);
    EXPECT_LE(packing.offsets[i] + items[i].sizeBytes, packing.peakBytes);
    for (size_t j = 0; j < i; ++j) {
      if (!meet(items[i], items[j]) || items[i].sizeBytes == 0 || items[j].sizeBytes == 0) continue;
      bool apart = packing.offsets[i] + items[i].sizeBytes <= packing.offsets[j] ||
                   packing.offsets[j] + items[j].sizeBytes <= packing.offsets[i];
      ASSERT_TRUE(apart) << i << " and " << j;
    }
  }
  EXPECT_GE(packing.peakBytes, packing.lowerBoundBytes);
}

TEST(Packer, buffers_of_different_times_share_memory) {
  std::vector<PackItem> items = {{100, 0, 1}, {50, 1, 2}, {100, 2, 3}};
  Packing packing = packBuffers(items);
  expectSound(items, packing);
  EXPECT_EQ(packing.lowerBoundBytes, 192);
  EXPECT_EQ(packing.peakBytes, 192);
  EXPECT_EQ(packing.offsets[0], packing.offsets[2]);
}

TEST(Packer, nothing_and_empty_buffers_need_no_memory) {
  EXPECT_EQ(packBuffers({}).peakBytes, 0);
  EXPECT_EQ(packBuffers({{0, 0, 3}, {0, 1, 2}}).peakBytes, 0);
}

// Steps of a transformer block: long-lived residuals, short wide intermediates.
TEST(Packer, a_deep_network_stays_near_its_lower_bound) {
  std::vector<PackItem> items;
  for (int layer = 0; layer < 24; ++layer) {
    int s = layer * 10;
    items.push_back({768 * 128 * 4, s, s + 10});
    items.push_back({768 * 128 * 4, s + 5, s + 15});
    for (int k = 0; k < 3; ++k) items.push_back({768 * 128 * 4, s + 1, s + 3});
    items.push_back({12 * 128 * 128 * 4, s + 2, s + 3});
    items.push_back({3072 * 128 * 4, s + 7, s + 8});
    items.push_back({768 * 128 * 4, s + 6, s + 7});
  }
  Packing packing = packBuffers(items);
  expectSound(items, packing);
  EXPECT_LE(packing.peakBytes, packing.lowerBoundBytes * 11 / 10);
}

TEST(Packer, overlap_of_items_that_live_together_is_found) {
  std::vector<PackItem> items = {{100, 0, 1}, {50, 1, 2}, {100, 2, 3}};
  EXPECT_FALSE(firstOverlap(items, packBuffers(items)));
  using Pair = std::pair<size_t, size_t>;
  EXPECT_EQ(firstOverlap(items, {{0, 64, 0}, 192, 0}), Pair(0, 1));
  EXPECT_EQ(firstOverlap(items, {{0, 128, 100}, 300, 0}), Pair(1, 2));
  EXPECT_EQ(firstOverlap(items, {{0, 128, 0}, 160, 0}), Pair(1, 1)) << "beyond the peak";
}

TEST(PackerProperty, random_lifetimes_never_overlap_and_repeat_exactly) {
  unsigned seed = std::random_device()();
  std::cout << "seed " << seed << "\n";
  std::mt19937 random(seed);
  double worst = 1;
  for (int round = 0; round < 40; ++round) {
    std::vector<PackItem> items;
    int steps = 20 + static_cast<int>(random() % 100);
    for (int s = 0; s < steps; ++s)
      for (unsigned k = random() % 3; k > 0; --k)
        items.push_back({1 + static_cast<int64_t>(random() % 100000), s, s + static_cast<int>(random() % 8)});
    Packing packing = packBuffers(items);
    expectSound(items, packing);
    EXPECT_EQ(packBuffers(items).offsets, packing.offsets);
    if (packing.lowerBoundBytes > 0)
      worst = std::max(worst, static_cast<double>(packing.peakBytes) / static_cast<double>(packing.lowerBoundBytes));
  }
  std::cout << "worst ratio " << worst << "\n";
  EXPECT_LE(worst, 1.5);
}

}  // namespace
}  // namespace shardwright
