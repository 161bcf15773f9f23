// The ranks are threads of this process. Skips: none.
#include <thread>
#include <vector>

#include "runtime/comm/local/local_fabric.h"
#include "tests/conformance/communicator_conformance.h"

namespace shardwright {
namespace {

WorldFactory localWorlds() {
  return {"local", [](int numRanks, const std::function<void(World&)>& body) {
            LocalFabric fabric(numRanks);
            std::vector<std::thread> threads;
            for (int rank = 0; rank < numRanks; ++rank) {
              threads.emplace_back([&, rank] {
                auto world = fabric.world(rank);
                body(*world);
              });
            }
            for (std::thread& thread : threads) thread.join();
          }};
}

INSTANTIATE_TEST_SUITE_P(Local, CommunicatorConformance, testing::Values(localWorlds()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace shardwright
