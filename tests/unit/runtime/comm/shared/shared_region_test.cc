#include "runtime/comm/shared/shared_region.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <set>
#include <thread>
#include <vector>

namespace shardwright {
namespace {

std::unique_ptr<SharedRegion> regionOf(int64_t bytes) {
  auto region = SharedRegion::create(bytes);
  EXPECT_TRUE(region.ok()) << region.status().message();
  return std::move(region).value();
}

TEST(SharedRegion, another_process_finds_by_name_what_the_maker_wrote) {
  auto region = regionOf(1 << 20);
  const SharedRegion::Address address = region->address();
  region->find("numbers", 16, [](char* at) { reinterpret_cast<int64_t*>(at)[1] = 71; });
  pid_t child = fork();
  if (child == 0) {
    auto found = SharedRegion::attach(address);
    if (!found.ok()) _exit(1);
    auto* numbers = reinterpret_cast<int64_t*>((*found)->find("numbers", 16, [](char*) { _exit(2); }));
    if (numbers[0] != 0 || numbers[1] != 71) _exit(3);
    numbers[0] = 13;
    _exit(0);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(reinterpret_cast<int64_t*>(region->find("numbers", 16))[0], 13);
}

TEST(SharedRegion, what_is_not_the_makers_memory_is_refused) {
  auto region = regionOf(1 << 20), other = regionOf(1 << 20);
  SharedRegion::Address address = region->address();
  address.nonce = other->address().nonce;
  EXPECT_NE(SharedRegion::attach(address).status().message().find("other memory"), std::string::npos);
  address = region->address();
  address.bytes *= 2;
  EXPECT_NE(SharedRegion::attach(address).status().message().find("another file"), std::string::npos);
  address = region->address();
  region->close();
  EXPECT_FALSE(SharedRegion::attach(address).ok());
}

TEST(SharedRegion, records_of_all_names_are_told_apart_whoever_asks_first) {
  constexpr int kNames = 3000;  // more than the table has places
  auto region = regionOf(1 << 22);
  std::vector<std::vector<char*>> found(3);
  std::vector<std::thread> threads;
  for (std::vector<char*>& mine : found) {
    threads.emplace_back([&] {
      for (int i = 0; i < kNames; ++i) {
        char* at =
            region->find("name " + std::to_string(i), 8, [&](char* made) { *made = static_cast<char>(i % 99 + 1); });
        ASSERT_EQ(*at, i % 99 + 1);
        mine.push_back(at);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(found[0], found[1]);
  EXPECT_EQ(found[0], found[2]);
  EXPECT_EQ(std::set<char*>(found[0].begin(), found[0].end()).size(), static_cast<size_t>(kNames));
}

TEST(SharedRegion, a_full_one_gives_nothing) {
  auto region = regionOf(64 << 10);
  EXPECT_EQ(region->allocate(1 << 20), 0u);
  EXPECT_EQ(region->find("much", 1 << 20), nullptr);
  uint64_t place = region->allocate(100);
  EXPECT_EQ(place % 64, 0u);
  EXPECT_EQ(region->allocate(3) - place, 128u);
  while (region->allocate(1000) != 0) {
  }
  EXPECT_EQ(region->find("more", 2000), nullptr);
}

}  // namespace
}  // namespace shardwright
