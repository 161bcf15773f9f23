#include "runtime/session/data_dir.h"

#include <gtest/gtest.h>

#include "runtime/base/tensor_file.h"
#include "tests/unit/runtime/exec/run_ranks.h"

namespace shardwright {
namespace {

std::vector<PortDescription> ports() {
  return {{"input/ids:0", DType::kInt64, {"2"}, false, {2, 40}},
          {"pixels", DType::kFloat16, {"3"}, false, {3, 50}},
          {"mask", DType::kBool, {"4"}, true, {64}}};
}

HostTensor ints(std::vector<int64_t> values) {
  HostTensor tensor = HostTensor::make(DType::kInt64, {static_cast<int64_t>(values.size())});
  std::copy(values.begin(), values.end(), tensor.as<int64_t>());
  return tensor;
}

TEST(DataDir, protos_by_number_and_npy_by_name) {
  std::string folder = testFolder();
  ASSERT_TRUE(writeTensorProto(folder + "/input_1.pb", ints({5, 7}), "pixels").ok());
  ASSERT_TRUE(writeNpy(folder + "/input_ids_0.npy", ints({1, 2, 3})).ok());
  auto read = readInputs(folder, ports());
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ((*read)[0].as<int64_t>()[2], 3);
  EXPECT_EQ((*read)[1].as<int64_t>()[1], 7);
  EXPECT_EQ((*read)[2].bytes, nullptr);
}

TEST(DataDir, all_missing_inputs_are_named_with_both_files) {
  std::string folder = testFolder();
  auto read = readInputs(folder, ports());
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.status().code(), StatusCode::kUserError);
  for (const char* text : {"neither input_0.pb nor input_ids_0.npy for input 'input/ids:0'", "input_1.pb"}) {
    EXPECT_NE(read.status().message().find(text), std::string::npos) << read.status().message();
  }
  EXPECT_NE(readInputs(folder + "/no", ports()).status().message().find("is no folder"), std::string::npos);
}

TEST(DataDir, outputs_are_written_and_found_as_expected_ones) {
  std::string folder = testFolder() + "/out";
  std::vector<HostTensor> outputs;
  for (int64_t i = 0; i < 3; ++i) outputs.push_back(ints({i, i + 4}));
  ASSERT_TRUE(writeOutputs(folder, ports(), outputs).ok());
  auto read = readExpectedOutputs(folder, ports());
  ASSERT_TRUE(read.ok());
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ((*read)[i]->as<int64_t>()[1], static_cast<int64_t>(i) + 4);
  EXPECT_EQ(writeOutputs(folder + "/a/b", ports(), outputs).code(), StatusCode::kUserError);
  EXPECT_EQ(writeOutputs(folder + "/output_0.pb", ports(), outputs).code(), StatusCode::kUserError);
  EXPECT_EQ(writeOutputs(folder + "/" + std::string(300, 'n'), ports(), outputs).code(), StatusCode::kEnvironment);
  std::filesystem::create_directory(folder + "/empty");
  EXPECT_NE(readExpectedOutputs(folder + "/empty", ports()).status().message().find("has no output_0.pb"),
            std::string::npos);
}

TEST(DataDir, inputs_that_the_model_does_not_have_are_refused) {
  std::string folder = testFolder();
  for (int i : {0, 1, 2}) {
    ASSERT_TRUE(writeTensorProto(folder + "/input_" + std::to_string(i) + ".pb", ints({5, 7}), "").ok());
  }
  ASSERT_TRUE(writeTensorProto(folder + "/input_3.pb.old", ints({5}), "").ok());
  ASSERT_TRUE(readInputs(folder, ports()).ok());
  ASSERT_TRUE(writeTensorProto(folder + "/input_3.pb", ints({5}), "").ok());
  EXPECT_NE(readInputs(folder, ports())
                .status()
                .message()
                .find("has input_3.pb, and the model has 3 inputs: input/ids:0, pixels, mask;"),
            std::string::npos);
}

TEST(DataDir, a_truncated_file_is_named) {
  std::string folder = testFolder();
  ASSERT_TRUE(writeFileAtomically(folder + "/input_0.pb", std::string("\x08\x02\x4a\x7f", 4)).ok());
  EXPECT_NE(readInputs(folder, ports()).status().message().find("input_0.pb"), std::string::npos);
}

TEST(DataDir, random_inputs_are_seeded_and_in_range) {
  auto a = randomInputs(ports(), 5), b = randomInputs(ports(), 5), c = randomInputs(ports(), 6);
  ASSERT_EQ(a[0].dims, (std::vector<int64_t>{2, 40}));
  int ones = 0;
  bool differs = false;
  for (int64_t i = 0; i < 80; ++i) {
    int64_t value = a[0].as<int64_t>()[i];
    ASSERT_TRUE(value == 0 || value == 1);
    ones += static_cast<int>(value);
    ASSERT_EQ(value, b[0].as<int64_t>()[i]);
    differs = differs || value != c[0].as<int64_t>()[i];
  }
  EXPECT_TRUE(differs);
  EXPECT_GT(ones, 10);
  EXPECT_LT(ones, 70);
  for (int64_t i = 0; i < 150; ++i) {
    float value = float16ToFloat(a[1].as<uint16_t>()[i]);
    ASSERT_LE(std::abs(value), 1.0f);
  }
}

}  // namespace
}  // namespace shardwright
