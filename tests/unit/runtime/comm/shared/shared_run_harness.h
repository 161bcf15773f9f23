// Owns ranks that share memory in tests without MPI: each has a mapping and a run of its own, as a process has.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "runtime/comm/shared/shared_group.h"
#include "tests/unit/runtime/comm/block_over.h"

namespace shardwright {

// One rank's end of a run; `failed` is what its process knows.
struct SharedRank {
  SharedRank(const SharedRegion::Address& address, int numRanks, int itsRank) : rank(itsRank) {
    auto region = SharedRegion::attach(address);
    EXPECT_TRUE(region.ok()) << region.status().message();
    SharedRun::Hooks hooks{[this] { return failed.load(); }, [] { return environmentError("it has failed"); },
                           [](int, const std::string&) {}};
    run = SharedRun::make(std::move(region).value(), numRanks, true, std::move(hooks));
  }

  std::unique_ptr<Communicator> group(const std::vector<int>& ranks, const std::string& name = "g") {
    int index = 0;
    while (ranks[static_cast<size_t>(index)] != rank) ++index;
    return makeSharedCommunicator(SharedGroup::find(run, ranks, name, 0), index, deadline);
  }

  const int rank;
  std::atomic<bool> failed{false};
  std::shared_ptr<SharedRun> run;
  std::shared_ptr<std::chrono::milliseconds> deadline = std::make_shared<std::chrono::milliseconds>(60000);
};

inline std::unique_ptr<SharedRegion> testRegion() {
  auto region = SharedRegion::create(int64_t{1} << 30);
  EXPECT_TRUE(region.ok()) << region.status().message();
  return std::move(region).value();
}

inline void runSharedRanks(int n, const std::function<void(SharedRank&)>& body) {
  auto region = testRegion();
  std::vector<std::thread> threads;
  for (int rank = 0; rank < n; ++rank) {
    threads.emplace_back([&, rank] {
      SharedRank mine(region->address(), n, rank);
      body(mine);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

inline Collective sumInPlace(std::vector<float>& values, const std::string& name = "t") {
  StridedBlock block = blockOver(values);
  return {CollectiveKind::kAllReduce, Combiner::kSum, DType::kFloat32, 0, {block}, {block}, name};
}

}  // namespace shardwright
