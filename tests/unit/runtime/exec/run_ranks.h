// Owns running an executor per rank on threads, for tests.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "runtime/comm/local/local_fabric.h"
#include "runtime/exec/executor.h"
#include "runtime/plan/mesh_ranks.h"

namespace shardwright {

// A fresh folder of this test's own.
inline std::string testFolder() {
  const auto* test = testing::UnitTest::GetInstance()->current_test_info();
  std::string folder = testing::TempDir() + "shardwright_" + test->test_suite_name() + "_" + test->name();
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  return folder;
}

// Loads the plan on every rank and runs body there; returns what load said, by rank.
inline std::vector<Status> runRanks(const plan::Plan& plan, const std::string& folder,
                                    const std::function<void(Executor&, World&)>& body, int threadsPerRank = 1) {
  auto image = PlanImage::make(plan, folder);
  EXPECT_TRUE(image.ok()) << image.status().message();
  int n = numRanks(plan.mesh());
  LocalFabric fabric(n);
  std::vector<Status> loaded(static_cast<size_t>(n));
  std::vector<std::thread> threads;
  for (int rank = 0; rank < n; ++rank) {
    threads.emplace_back([&, rank] {
      auto world = fabric.world(rank);
      ThreadPool pool(threadsPerRank);
      auto executor = Executor::load(*image, *world, pool);
      if (executor.ok()) body(**executor, *world);
      if (!executor.ok()) loaded[static_cast<size_t>(rank)] = executor.status();
    });
  }
  for (std::thread& thread : threads) thread.join();
  return loaded;
}

}  // namespace shardwright
