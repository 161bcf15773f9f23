#include "compiler/onnx/wire_format.h"

#include <gmock/gmock.h>

#include "model_text.h"

namespace shardwright {
namespace {

onnx::TensorProto rawTensor(const std::string& name, int64_t count, char seed) {
  onnx::TensorProto tensor;
  tensor.set_name(name);
  tensor.set_data_type(onnx::TensorProto::FLOAT);
  tensor.add_dims(count);
  std::string bytes(count * 4, '\0');
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(seed + 7 * i);
  tensor.set_raw_data(bytes);
  return tensor;
}

std::string value(const onnx::TensorProto& tensor, const std::string& key) {
  for (const auto& entry : tensor.external_data())
    if (entry.key() == key) return entry.value();
  return "";
}

std::string referredBytes(const onnx::TensorProto& tensor, const std::string& file) {
  EXPECT_EQ(tensor.data_location(), onnx::TensorProto::EXTERNAL);
  EXPECT_EQ(value(tensor, "location"), "m.onnx");
  return file.substr(std::stoul(value(tensor, "offset")), std::stoul(value(tensor, "length")));
}

onnx::ModelProto detached(const std::string& file) {
  auto bytes = detachLargeTensors(file, "m.onnx");
  EXPECT_TRUE(bytes.ok()) << bytes.status().message();
  onnx::ModelProto model;
  EXPECT_TRUE(model.ParseFromString(*bytes));
  return model;
}

TEST(DetachLargeTensors, initializers_above_the_limit_become_references_to_their_own_bytes) {
  onnx::ModelProto model = parseGraph("(float[300] x) => (float[300] y) { y = Add(x, w) }");
  *model.mutable_graph()->add_initializer() = rawTensor("small", 256, 3);
  *model.mutable_graph()->add_initializer() = rawTensor("w", 300, 5);
  *model.mutable_graph()->add_initializer() = rawTensor("last", 257, 11);
  std::string file = model.SerializeAsString();
  onnx::ModelProto read = detached(file);
  EXPECT_EQ(read.graph().initializer(0).raw_data(), model.graph().initializer(0).raw_data());
  for (int i : {1, 2}) {
    EXPECT_FALSE(read.graph().initializer(i).has_raw_data());
    EXPECT_EQ(referredBytes(read.graph().initializer(i), file), model.graph().initializer(i).raw_data());
    EXPECT_EQ(read.graph().initializer(i).dims(0), model.graph().initializer(i).dims(0));
  }
  EXPECT_EQ(read.graph().node(0).SerializeAsString(), model.graph().node(0).SerializeAsString());
}

TEST(DetachLargeTensors, packed_floats_and_doubles_are_referred_to_and_varints_stay) {
  onnx::ModelProto model = parseGraph("(float[300] x) => (float[300] y) { y = Add(x, w) }");
  onnx::TensorProto& floats = *model.mutable_graph()->add_initializer();
  onnx::TensorProto& doubles = *model.mutable_graph()->add_initializer();
  onnx::TensorProto& ints = *model.mutable_graph()->add_initializer();
  for (int i = 0; i < 300; ++i) {
    floats.add_float_data(0.25f + i);
    doubles.add_double_data(0.5 - i);
    ints.add_int64_data(i * 977);
  }
  std::string file = model.SerializeAsString();
  onnx::ModelProto read = detached(file);
  std::string floatBytes(reinterpret_cast<const char*>(floats.float_data().data()), 1200);
  std::string doubleBytes(reinterpret_cast<const char*>(doubles.double_data().data()), 2400);
  EXPECT_EQ(referredBytes(read.graph().initializer(0), file), floatBytes);
  EXPECT_EQ(referredBytes(read.graph().initializer(1), file), doubleBytes);
  EXPECT_EQ(read.graph().initializer(2).int64_data_size(), 300);
}

TEST(DetachLargeTensors, tensors_of_attributes_subgraphs_and_functions_are_found) {
  onnx::ModelProto model = parseModel(R"(
    <ir_version: 10, opset_import: ["" : 20, "my" : 1]>
    g (bool c) => (float[300] y) { y = If <then_branch = t () => (float[300] a) { a = Constant <value: tensor = float {1}>() },
                                            else_branch = e () => (float[300] b) { b = my.F() }> (c) }
    <domain: "my", opset_import: ["" : 20]> F () => (o) { o = Constant <value: tensor = float {1}>() })");
  auto* inBranch = model.mutable_graph()->mutable_node(0)->mutable_attribute(0)->mutable_g()->mutable_node(0);
  *inBranch->mutable_attribute(0)->mutable_t() = rawTensor("", 300, 2);
  auto* inFunction = model.mutable_functions(0)->mutable_node(0);
  *inFunction->mutable_attribute(0)->mutable_t() = rawTensor("", 400, 9);
  std::string file = model.SerializeAsString();
  onnx::ModelProto read = detached(file);
  EXPECT_EQ(referredBytes(read.graph().node(0).attribute(0).g().node(0).attribute(0).t(), file),
            rawTensor("", 300, 2).raw_data());
  EXPECT_EQ(referredBytes(read.functions(0).node(0).attribute(0).t(), file), rawTensor("", 400, 9).raw_data());
}

TEST(DetachLargeTensors, a_model_cut_short_anywhere_fails_or_parses_and_never_crashes) {
  onnx::ModelProto model = parseGraph("(float[300] x) => (float[300] y) { y = Add(x, w) }");
  *model.mutable_graph()->add_initializer() = rawTensor("w", 300, 5);
  std::string file = model.SerializeAsString();
  int failures = 0;
  for (size_t size = 0; size < file.size(); ++size)
    failures += !detachLargeTensors(file.substr(0, size), "m.onnx").ok();
  EXPECT_GT(failures, static_cast<int>(file.size()) - 100);
  auto cut = detachLargeTensors(file.substr(0, file.size() / 2), "m.onnx");
  ASSERT_FALSE(cut.ok());
  EXPECT_EQ(cut.status().code(), StatusCode::kUserError);
  EXPECT_THAT(cut.status().message(), testing::HasSubstr("cut short"));
}

TEST(DetachLargeTensors, garbage_is_refused) {
  std::string garbage;
  for (int i = 0; i < 5000; ++i) garbage.push_back(static_cast<char>(i * i * 31 + 7));
  EXPECT_FALSE(detachLargeTensors(garbage, "m.onnx").ok());
}

}  // namespace
}  // namespace shardwright
