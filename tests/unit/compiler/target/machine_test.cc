#include "compiler/target/machine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace shardwright {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

Json goodFile() {
  Json curves = Json::parse(R"([
    {"groupSize": 2, "latencySeconds": 3e-6, "bandwidth": [[1000, 1e9], [100000, 1e10]]},
    {"groupSize": 8, "latencySeconds": 7e-6, "bandwidth": [[1, 2e9]]}])");
  Json file = {{"version", 1},
               {"name", "test"},
               {"threadsPerRank", 3},
               {"flopsPerSecond", {{"float32", 5e10}, {"float16", 9e10}}},
               {"memoryBytesPerSecond", 1.5e10},
               {"launchSeconds", 2e-6}};
  for (const char* kind : {"allReduce", "allGather", "reduceScatter", "allToAll", "broadcast", "permute"}) {
    file["collectives"][kind] = curves;
  }
  return file;
}

std::string messageFor(const Json& file) {
  StatusOr<Machine> machine = parseMachine(file.dump(), "m.json");
  if (machine.ok()) return "accepted";
  EXPECT_EQ(machine.status().code(), StatusCode::kUserError);
  return machine.status().message();
}

TEST(Machine, reads_every_field) {
  StatusOr<Machine> machine = parseMachine(goodFile().dump(), "m.json");
  ASSERT_TRUE(machine.ok()) << machine.status().message();
  EXPECT_EQ(machine->name, "test");
  EXPECT_EQ(machine->threadsPerRank, 3);
  EXPECT_EQ(machine->flopsPerSecond.at(DType::kFloat16), 9e10);
  EXPECT_EQ(machine->memoryBytesPerSecond, 1.5e10);
  EXPECT_EQ(machine->launchSeconds, 2e-6);
  EXPECT_EQ(machine->backgroundShare, 0) << "where nothing is said";
  Json file = goodFile();
  file["backgroundShare"] = 0.5;
  EXPECT_EQ(parseMachine(file.dump(), "m.json")->backgroundShare, 0.5);
  file["backgroundShare"] = 1.5;
  EXPECT_THAT(messageFor(file), HasSubstr("\"backgroundShare\" must be a share, at most 1"));
  EXPECT_EQ(machine->collectives[2][1].groupSize, 8);
}

TEST(Machine, curve_is_of_the_nearest_group_size_from_above_else_the_largest) {
  Machine machine = *parseMachine(goodFile().dump(), "m.json");
  EXPECT_EQ(machine.curve(CollectiveCost::kAllGather, 2).groupSize, 2);
  EXPECT_EQ(machine.curve(CollectiveCost::kAllGather, 3).groupSize, 8);
  EXPECT_EQ(machine.curve(CollectiveCost::kAllGather, 64).groupSize, 8);
}

TEST(Machine, bandwidth_is_interpolated_between_logarithms_and_constant_outside) {
  Machine machine = *parseMachine(goodFile().dump(), "m.json");
  const CollectiveCurve& curve = machine.curve(CollectiveCost::kPermute, 2);
  EXPECT_DOUBLE_EQ(curve.bytesPerSecondAt(10), 1e9);
  EXPECT_DOUBLE_EQ(curve.bytesPerSecondAt(1000), 1e9);
  EXPECT_NEAR(curve.bytesPerSecondAt(10000), 3.16227766e9, 1e3);
  EXPECT_DOUBLE_EQ(curve.bytesPerSecondAt(1e9), 1e10);
}

TEST(Machine, errors_name_file_key_and_what_is_allowed) {
  EXPECT_THAT(parseMachine("{", "m.json").status().message(), HasSubstr("m.json: not JSON"));
  Json file = goodFile();
  file["memoryBytesPerSec"] = 1;
  EXPECT_THAT(messageFor(file), HasSubstr("unknown key \"memoryBytesPerSec\"; the keys are version, name"));
  file = goodFile();
  file["version"] = 2;
  EXPECT_THAT(messageFor(file), HasSubstr("version 2; this program reads version 1"));
  file = goodFile();
  file.erase("launchSeconds");
  EXPECT_THAT(messageFor(file), HasSubstr("\"launchSeconds\" is missing"));
  file = goodFile();
  file["memoryBytesPerSecond"] = 0;
  EXPECT_THAT(messageFor(file), HasSubstr("\"memoryBytesPerSecond\" is 0; expected a number of at least"));
  file = goodFile();
  file["flopsPerSecond"]["fp32"] = 1e9;
  EXPECT_THAT(messageFor(file), HasSubstr("unknown type \"fp32\""));
  file = goodFile();
  file["flopsPerSecond"].erase("float32");
  EXPECT_THAT(messageFor(file), HasSubstr("at least \"float32\""));
  file = goodFile();
  file["collectives"].erase("allToAll");
  EXPECT_THAT(messageFor(file), HasSubstr("\"collectives\".allToAll is missing"));
  file = goodFile();
  file["collectives"]["permute"][1]["groupSize"] = 2;
  EXPECT_THAT(messageFor(file), HasSubstr("permute[1]: \"groupSize\" must ascend"));
  file = goodFile();
  file["collectives"]["permute"][0]["bandwidth"] = {{1000, 1e9}, {2000, 9e9}};
  EXPECT_THAT(messageFor(file), HasSubstr("more bytes must not take less time"));
  file = goodFile();
  file["collectives"]["permute"][0]["bandwidth"] = Json::array();
  EXPECT_THAT(messageFor(file), HasSubstr("at least one"));
}

TEST(Machine, missing_file_is_the_users) {
  StatusOr<Machine> machine = loadMachine("/nowhere/m.json");
  EXPECT_EQ(machine.status().code(), StatusCode::kUserError);
  EXPECT_THAT(machine.status().message(), HasSubstr("/nowhere/m.json"));
}

TEST(Machine, built_in_files_are_read) {
  for (const std::string& name : builtInMachineNames()) {
    StatusOr<Machine> machine = builtInMachine(name);
    EXPECT_TRUE(machine.ok()) << machine.status().message();
  }
  EXPECT_EQ(builtInMachine("default_gpu")->memoryBytesPerSecond, 3e12);
  EXPECT_THAT(builtInMachine("abacus").status().message(), HasSubstr("cpu, default_gpu"));
}

}  // namespace
}  // namespace shardwright
