// The ranks are spread over the processes of a job, which share memory, or do not, or some do: start it with mpirun. What is
// not shared goes over MPI, or with "host" for the first argument over the host's sockets. Every process runs every test; the
// first one tells what failed anywhere. Skips: none.
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "runtime/comm/processes/host_transport.h"
#include "runtime/comm/processes/mpi_transport.h"
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

// mayShare(a, b): whether two processes may have memory in common; else they are as if on two hosts.
WorldFactory processWorlds(const std::string& name, bool (*mayShare)(int, int)) {
  return {name, [mayShare](int numRanks, const std::function<void(World&)>& body) {
            // A body may abort its fabric; whether all are through is asked on another.
            ProcessFabric meeting(*link, numRanks);
            {
              ProcessFabric fabric(*link, numRanks, 1, [&](int other) { return mayShare(link->process(), other); });
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

INSTANTIATE_TEST_SUITE_P(Processes, CommunicatorConformance,
                         testing::Values(processWorlds("shared", [](int, int) { return true; }),
                                         processWorlds("messages", [](int, int) { return false; }),
                                         processWorlds("mixed", [](int a, int b) { return a % 2 == b % 2; })),
                         [](const auto& info) { return info.param.name; });

// Of two processes that have memory in common, nothing goes by messages; of others, all that is sent does.
TEST(ProcessFabric, only_what_leaves_a_host_is_counted) {
  int ranks = link->numProcesses();
  ProcessFabric meeting(*link, ranks);
  for (bool isNear : {true, false}) {
    ProcessFabric fabric(*link, ranks, 1, [&](int) { return isNear; });
    auto world = fabric.world(fabric.firstRank());
    int64_t value = world->rank() + 3;
    StridedBlock block;
    block.data = &value;
    int next = (world->rank() + 1) % ranks, previous = (world->rank() + ranks - 1) % ranks;
    ASSERT_TRUE(world->send(next, 1, block, DType::kInt64, "t").ok());
    ASSERT_TRUE(world->receive(previous, 1, block, DType::kInt64, "t").ok());
    EXPECT_EQ(value, previous + 3);
    EXPECT_EQ(world->messageBytes(), isNear ? 0 : 8);
  }
  meet(meeting);
}

}  // namespace

int runSuite(int argc, char** argv) {
  ProcessLink::Ending ending;
  ending.tell = [](const Status& reason) { std::fprintf(stderr, "%s\n", reason.message().c_str()); };
  bool onHost = argc > 1 && std::string(argv[1]) == "host";
  std::unique_ptr<ProcessLink> joined =
      ProcessLink::join(onHost ? makeHostTransport(launchedJob()) : makeMpiTransport(SHARDWRIGHT_MPI_PLUGIN),
                        std::chrono::seconds(60), ending);
  if (joined->failed()) return 1;
  link = joined.get();
  if (link->process() > 0) {
    argc = 1;  // one report
    testing::GTEST_FLAG(brief) = true;
  }
  testing::InitGoogleTest(&argc, argv);
  int status = RUN_ALL_TESTS();
  (void)link->settle(status == 0 ? Status() : Status(StatusCode::kCheckFailed, "tests failed"));
  return static_cast<int>(link->leave().code());
}

}  // namespace shardwright

int main(int argc, char** argv) { return shardwright::runSuite(argc, argv); }
