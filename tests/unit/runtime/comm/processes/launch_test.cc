#include "runtime/comm/processes/launch.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

namespace shardwright {
namespace {

int launchedWith(const std::map<std::string, std::string>& environment) {
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_ID", "SLURM_STEP_NUM_TASKS", "SLURM_NTASKS"})
    unsetenv(name);
  for (const auto& [name, value] : environment) setenv(name.c_str(), value.c_str(), 1);
  int launched = launchedProcesses();
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

TEST(Launch, a_program_without_a_launcher_joins_nobody) {
  launchedWith({});
  for (const char* world : {"auto", "local"}) {
    auto link = joinProcesses(world, std::chrono::seconds(1), {});
    ASSERT_TRUE(link.ok()) << link.status().message();
    EXPECT_EQ(*link, nullptr);
  }
}

TEST(Launch, without_the_plug_in_the_message_says_what_to_do) {
  launchedWith({});
  auto link = joinProcesses("mpi", std::chrono::seconds(1), {});  // nothing lies beside the tests
  ASSERT_FALSE(link.ok());
  EXPECT_EQ(link.status().code(), StatusCode::kEnvironment);
  EXPECT_NE(link.status().message().find("libshardwright_mpi.so"), std::string::npos) << link.status().message();
  EXPECT_NE(link.status().message().find("without mpirun"), std::string::npos) << link.status().message();
}

}  // namespace
}  // namespace shardwright
