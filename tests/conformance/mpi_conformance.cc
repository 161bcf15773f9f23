// The ranks are spread over the processes of an MPI job: start it with mpirun. Every process runs every test; the first one
// tells what failed anywhere. Skips: none.
#include <cstdio>
#include <thread>
#include <vector>

#include "runtime/comm/processes/mpi_library.h"
#include "runtime/comm/processes/process_fabric.h"
#include "tests/conformance/communicator_conformance.h"

namespace shardwright {
namespace {

ProcessLink* link = nullptr;

// All processes have run the body; the first one knows of failures anywhere.
void meet(ProcessFabric& fabric) {
  char failed = testing::Test::HasFailure() ? 1 : 0;
  if (link->process() > 0) {
    fabric.sendTo(0, {failed});
    ASSERT_TRUE(fabric.receiveFrom(0).ok());
    return;
  }
  for (int p = 1; p < link->numProcesses(); ++p) {
    auto told = fabric.receiveFrom(p);
    ASSERT_TRUE(told.ok()) << told.status().message();
    EXPECT_EQ((*told)[0], 0) << "process " << p << " failed; see what it wrote";
  }
  for (int p = 1; p < link->numProcesses(); ++p) fabric.sendTo(p, {failed});
}

WorldFactory mpiWorlds() {
  return {"mpi", [](int numRanks, const std::function<void(World&)>& body) {
            // A body may abort its fabric; whether all are through is asked on another.
            ProcessFabric meeting(*link, numRanks);
            {
              ProcessFabric fabric(*link, numRanks);
              std::vector<std::thread> threads;
              for (int rank = fabric.firstRank(); rank < fabric.endRank(); ++rank) {
                threads.emplace_back([&, rank] {
                  auto world = fabric.world(rank);
                  body(*world);
                });
              }
              for (std::thread& thread : threads) thread.join();
            }
            meet(meeting);
          }};
}

INSTANTIATE_TEST_SUITE_P(Mpi, CommunicatorConformance, testing::Values(mpiWorlds()),
                         [](const auto& info) { return info.param.name; });

}  // namespace

int runSuite(int argc, char** argv) {
  auto mpi = loadMpi(SHARDWRIGHT_MPI_PLUGIN);
  auto joined = mpi.ok() ? ProcessLink::join(*mpi, std::chrono::seconds(60)) : mpi.status();
  if (!joined.ok()) {
    std::fprintf(stderr, "%s\n", joined.status().message().c_str());
    return 1;
  }
  link = joined->get();
  if (link->process() > 0) {
    argc = 1;  // one report
    testing::GTEST_FLAG(brief) = true;
  }
  testing::InitGoogleTest(&argc, argv);
  int status = RUN_ALL_TESTS();
  Status ended = link->settle(status == 0 ? Status() : Status(StatusCode::kCheckFailed, "tests failed"));
  link->leave();
  return static_cast<int>(ended.code());
}

}  // namespace shardwright

int main(int argc, char** argv) { return shardwright::runSuite(argc, argv); }
