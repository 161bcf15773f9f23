#include "runtime/comm/processes/launch.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <string>
#include <vector>

namespace shardwright {
namespace {

int launchedWith(const std::map<std::string, std::string>& environment) {
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_ID", "SLURM_STEP_NUM_TASKS", "SLURM_NTASKS"})
    unsetenv(name);
  for (const auto& [name, value] : environment) setenv(name.c_str(), value.c_str(), 1);
  int launched = launchedJob().numProcesses;
  for (const auto& [name, value] : environment) unsetenv(name.c_str());
  return launched;
}

TEST(Launch, the_number_of_processes_is_the_launchers) {
  EXPECT_EQ(launchedWith({}), 0);
  EXPECT_EQ(launchedWith({{"OMPI_COMM_WORLD_SIZE", "4"}}), 4);
  EXPECT_EQ(launchedWith({{"PMI_SIZE", "3"}}), 3);
  EXPECT_EQ(launchedWith({{"SLURM_STEP_ID", "0"}, {"SLURM_STEP_NUM_TASKS", "5"}}), 5);
  // A batch script is one process, whatever its steps will be.
  EXPECT_EQ(launchedWith({{"SLURM_NTASKS", "8"}, {"SLURM_STEP_NUM_TASKS", "8"}}), 0);
}

TEST(Launch, the_process_and_those_of_its_host_are_the_launchers) {
  auto jobOf = [](const std::map<std::string, std::string>& environment) {
    for (const auto& [name, value] : environment) setenv(name.c_str(), value.c_str(), 1);
    LaunchedJob job = launchedJob();
    for (const auto& [name, value] : environment) unsetenv(name.c_str());
    return job;
  };
  launchedWith({});
  LaunchedJob mpirun = jobOf({{"OMPI_COMM_WORLD_SIZE", "4"},
                              {"OMPI_COMM_WORLD_RANK", "3"},
                              {"OMPI_COMM_WORLD_LOCAL_SIZE", "4"},
                              {"PMIX_NAMESPACE", "77"},
                              {"PMIX_SERVER_URI2", "76.0;tcp4://127.0.0.1:5"}});
  EXPECT_EQ(mpirun.process, 3);
  EXPECT_TRUE(mpirun.isOneHost());
  EXPECT_EQ(mpirun.name, "77@76.0;tcp4://127.0.0.1:5");
  std::map<std::string, std::string> step = {{"SLURM_STEP_ID", "2"},
                                             {"SLURM_JOB_ID", "31"},
                                             {"SLURM_STEP_NUM_TASKS", "6"},
                                             {"SLURM_PROCID", "5"},
                                             {"SLURM_STEP_NUM_NODES", "2"}};
  LaunchedJob srun = jobOf(step);
  EXPECT_EQ(srun.process, 5);
  EXPECT_FALSE(srun.isOneHost());
  EXPECT_EQ(srun.name, "slurm-31.2");
  step["SLURM_STEP_NUM_NODES"] = "1";
  EXPECT_TRUE(jobOf(step).isOneHost());
}

TEST(Launch, a_program_without_a_launcher_joins_nobody) {
  launchedWith({});
  for (const char* world : {"auto", "local"}) {
    EXPECT_EQ(joinProcesses(world, std::chrono::seconds(1), {}), nullptr);
  }
}

TEST(Launch, without_the_plug_in_the_message_says_what_to_do) {
  launchedWith({});
  std::vector<Status> told;
  ProcessLink::Ending ending;
  ending.tell = [&](const Status& reason) { told.push_back(reason); };
  auto link = joinProcesses("mpi", std::chrono::seconds(1), ending);  // nothing lies beside the tests
  ASSERT_TRUE(link->failed());
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].code(), StatusCode::kEnvironment);
  EXPECT_NE(told[0].message().find("libshardwright_mpi.so"), std::string::npos) << told[0].message();
  EXPECT_NE(told[0].message().find("without mpirun"), std::string::npos) << told[0].message();
  EXPECT_EQ(link->leave().message(), told[0].message());
}

}  // namespace
}  // namespace shardwright
