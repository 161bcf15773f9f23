// The tool shardrun, as a user calls it: exit statuses, messages, files.
#include <sys/wait.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "runtime/base/tensor_file.h"
#include "tests/unit/runtime/exec/run_ranks.h"
#include "tests/unit/runtime/exec/two_layer_plan.h"

namespace shardwright {
namespace {

struct Outcome {
  int status;
  std::string text;  // of both streams
};

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

Outcome shardrun(const std::string& arguments, const std::string& log) {
  int status = std::system((std::string(SHARDWRIGHT_SHARDRUN) + " " + arguments + " >" + log + " 2>&1").c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, contents(log)};
}

class Shardrun : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testFolder();
    plan_ = folder_ + "/p.plan";
    std::filesystem::create_directories(plan_);
    TwoLayerPlan built(plan_, 2);
    writeData(3, 0);
  }

  // Data of this batch, the expected output off by `error` at its last element.
  void writeData(int64_t batch, float error) {
    std::filesystem::create_directories(folder_ + "/data");
    std::vector<float> x = TwoLayerPlan::someInput(batch), y = TwoLayerPlan::expected(x, batch);
    y.back() += error;
    HostTensor input = HostTensor::make(DType::kFloat32, {batch, 4}),
               output = HostTensor::make(DType::kFloat32, {batch, 5});
    std::copy(x.begin(), x.end(), input.as<float>());
    std::copy(y.begin(), y.end(), output.as<float>());
    ASSERT_TRUE(writeTensorProto(folder_ + "/data/input_0.pb", input, "x").ok());
    ASSERT_TRUE(writeTensorProto(folder_ + "/data/output_0.pb", output, "y").ok());
  }

  void expect(const std::string& arguments, int status, const std::vector<std::string>& texts) {
    Outcome outcome = shardrun(arguments, folder_ + "/log");
    EXPECT_EQ(outcome.status, status) << arguments << "\n" << outcome.text;
    for (const std::string& text : texts) EXPECT_NE(outcome.text.find(text), std::string::npos) << outcome.text;
  }

  void flip(const std::string& file, int64_t fromEnd) {
    std::fstream stream(plan_ + "/" + file, std::ios::in | std::ios::out | std::ios::binary);
    stream.seekg(-fromEnd, std::ios::end);
    int byte = stream.get();
    stream.seekp(-fromEnd, std::ios::end);
    stream.put(static_cast<char>(byte ^ 1));
  }

  std::string folder_, plan_;
};

TEST_F(Shardrun, a_check_that_holds) {
  expect(plan_ + " --data " + folder_ + "/data --check", 0, {"y: largest error 0", "rank 1 (tp=1): weights"});
}

TEST_F(Shardrun, a_check_that_fails) {
  writeData(3, 0.5f);
  expect(plan_ + " --data " + folder_ + "/data --check", 1,
         {"output 'y': 1 of 15 elements are wrong, the first at [2, 4]", "largest error 0.5"});
  expect(plan_ + " --data " + folder_ + "/data --check --atol 0.6", 0, {"largest error 0.5"});
}

TEST_F(Shardrun, writes_outputs_and_json) {
  expect(plan_ + " --data " + folder_ + "/data --outputs " + folder_ + "/out --json " + folder_ +
             "/r.json --repeat 3 --warmup 1 --threads-per-rank 1 --check",
         0, {"3 runs: median"});
  auto output = readTensorProto(folder_ + "/out/output_0.pb");
  ASSERT_TRUE(output.ok());
  EXPECT_EQ(output->name, "y");
  EXPECT_EQ(output->tensor.dims, (std::vector<int64_t>{3, 5}));
  auto json = nlohmann::json::parse(contents(folder_ + "/r.json"));
  EXPECT_EQ(json["seconds"].size(), 3u);
  EXPECT_EQ(json["ranks"][1]["weightBytes"], 9 * 4 * 4);
  EXPECT_EQ(json["outputs"][0]["maxAbsError"], 0.0);
}

TEST_F(Shardrun, a_trace_has_the_steps_of_every_rank_in_the_timed_runs) {
  expect(plan_ + " --repeat 2 --warmup 3 --trace " + folder_ + "/t.json", 0, {"rank 1 (tp=1): ", "% computing"});
  auto events = nlohmann::json::parse(contents(folder_ + "/t.json"))["traceEvents"];
  std::map<int, std::map<std::string, int>> byRank;
  for (const auto& event : events) {
    if (event["ph"] != "X") continue;
    ++byRank[event["tid"]][event["cat"]];
    EXPECT_GE(event["dur"].get<double>(), 0);
    if (event["cat"] == "collective") {
      EXPECT_GT(event["args"]["bytes"].get<int64_t>(), 0);
    }
  }
  ASSERT_EQ(byRank.size(), 2u);
  for (auto& [rank, categories] : byRank) {
    EXPECT_EQ(categories["chunk"], 2);
    EXPECT_GT(categories["kernel"], 0);
    EXPECT_EQ(categories["collective"] % 2, 0);
    EXPECT_GT(categories["collective"], 0);
  }
}

TEST_F(Shardrun, without_data_inputs_are_made_up) { expect(plan_, 0, {"1 run:"}); }

TEST_F(Shardrun, wrong_use_exits_2) {
  expect("", 2, {"PLAN"});
  expect(plan_ + " --no-such-option", 2, {"no-such-option"});
  expect(plan_ + " --repeat none", 2, {"repeat"});
  expect(folder_ + "/absent", 2, {"absent"});
  expect(plan_ + " --check", 2, {"--check needs --data"});
  expect(plan_ + " --dump-values x", 2, {"not built yet"});
  expect(plan_ + " --device abacus", 2, {"cpu or cuda"});
  expect("--help", 0, {"Examples:"});
}

TEST_F(Shardrun, data_that_does_not_fit_exits_2) {
  writeData(65, 0);
  expect(plan_ + " --data " + folder_ + "/data", 2, {"'batch' is 65; this plan takes at most 64; compile with --max"});
  HostTensor ints = HostTensor::make(DType::kInt64, {3, 4});
  ASSERT_TRUE(writeTensorProto(folder_ + "/data/input_0.pb", ints, "x").ok());
  expect(plan_ + " --data " + folder_ + "/data", 2, {"input 'x': found int64; the model takes float32 [batch, 4]"});
  std::filesystem::remove(folder_ + "/data/input_0.pb");
  expect(plan_ + " --data " + folder_ + "/data", 2, {"neither input_0.pb nor x.npy"});
}

TEST_F(Shardrun, damaged_plans_exit_2) {
  flip("weights/rows-1.safetensors", 3);
  expect(plan_, 2, {"rank 1", "tensor 'W' is damaged"});
  flip("plan.pb", 10);
  expect(plan_, 2, {"plan.pb"});
}

TEST_F(Shardrun, what_the_machine_lacks_exits_3) { expect(plan_ + " --device cuda", 3, {"no CUDA plug-in beside"}); }

}  // namespace
}  // namespace shardwright
