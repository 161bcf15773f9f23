#include "compiler/onnx/model_file.h"

#include <gmock/gmock.h>

#include "compiler/onnx/external_data.h"
#include "model_text.h"

namespace shardwright {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string errorOf(const onnx::ModelProto& model) {
  ModelFolder folder;
  auto read = readModelFile(folder.write(model));
  if (read.ok()) return "";
  EXPECT_EQ(read.status().code(), StatusCode::kUserError);
  return read.status().message();
}

std::vector<std::string> nodeNames(const onnx::GraphProto& graph) {
  std::vector<std::string> names;
  for (const auto& node : graph.node()) names.push_back(node.name());
  return names;
}

TEST(ReadModelFile, unordered_nodes_are_sorted_and_unnamed_ones_named_by_their_place_in_the_file) {
  ModelFolder folder;
  auto model = readModelFile(folder.write(parseGraph(R"((float[4] x) => (float[4] y) {
      y = Mul(b, a)  b = Exp(a)  [first] a = Neg(x) })")));
  ASSERT_TRUE(model.ok()) << model.status().message();
  EXPECT_THAT(nodeNames(model->proto.graph()), testing::ElementsAre("first", "Exp_1", "Mul_0"));
  EXPECT_EQ(model->name, "model.onnx");
  EXPECT_EQ(model->opset, 20);
}

// --- Bad input: a model, and what its message must say. -------------------------------------------------------------------

struct BadGraph {
  const char* situation;
  const char* graph;
  std::vector<const char*> says;
};

void PrintTo(const BadGraph& bad, std::ostream* out) { *out << bad.situation; }

class BadGraphs : public testing::TestWithParam<BadGraph> {};

TEST_P(BadGraphs, is_a_user_error_that_names_the_file_and_the_nodes) {
  std::string message = errorOf(parseGraph(GetParam().graph));
  for (const char* part : GetParam().says) EXPECT_THAT(message, HasSubstr(part));
}

const BadGraph kBadGraphs[] = {
    {"undefined_value",
     "(float[4] x) => (float[4] y) { y = Add(x, nowhere) }",
     {"model.onnx: Add_0: ", "\"nowhere\"", "no node, input or initializer defines"}},
    {"two_undefined_values",
     "(float[4] x) => (float[4] y) { a = Neg(one)  y = Add(a, two) }",
     {"Neg_0", "\"one\"", "Add_1", "\"two\""}},
    {"undefined_output", "(float[4] x) => (float[4] y) { z = Neg(x) }", {"output \"y\""}},
    {"cycle",
     "(float[4] x) => (float[4] y) { a = Add(x, c)  b = Neg(a)  c = Exp(b)  y = Neg(x) }",
     {"is in a cycle", "Add_0", "Neg_1", "Exp_2"}},
    {"value_defined_twice",
     "(float[4] x) => (float[4] y) { [p] y = Neg(x)  [q] y = Exp(x) }",
     {"model.onnx: q: ", "\"y\"", "result of p"}},
    {"input_defined_again", "(float[4] x) => (float[4] x) { x = Neg(x) }", {"\"x\"", "an input of the graph"}},
    {"attribute_of_wrong_type",
     "(float[4] x) => (float[4] y) { y = LeakyRelu <alpha = 2> (x) }",
     {"LeakyRelu_0", "\"alpha\"", "INT", "FLOAT"}},
    {"unknown_attribute",
     "(float[4] x) => (float[4] y) { y = LeakyRelu <beta = 2.0> (x) }",
     {"no attribute \"beta\"", "alpha"}},
    {"missing_attribute", "(float[4] x) => (float[4] y) { y = Cast(x) }", {"Cast_0", "needs attribute \"to\""}},
    {"too_few_inputs", "(float[4] x) => (float[4] y) { y = Add(x) }", {"has 1 inputs", "takes 2"}},
    {"undefined_value_of_an_unknown_op", "(float[4] x) => (float[4] y) { y = my.F(x, zz) }", {"F_0: ", "\"zz\""}},
};

INSTANTIATE_TEST_SUITE_P(Table, BadGraphs, testing::ValuesIn(kBadGraphs),
                         [](const auto& info) { return std::string(info.param.situation); });

TEST(ReadModelFile, versions_outside_of_the_supported_ones_are_refused_with_what_is_allowed) {
  onnx::ModelProto model = parseGraph("(float[4] x) => (float[4] y) { y = Neg(x) }");
  model.mutable_opset_import(0)->set_version(11);
  EXPECT_THAT(errorOf(model), HasSubstr("opset 11, which is not supported yet; export it with one of opsets 13 to 28"));
  model.mutable_opset_import(0)->set_version(99);
  EXPECT_THAT(errorOf(model), HasSubstr("opset 99; opsets 13 to 28 are supported"));
  model.mutable_opset_import(0)->set_version(20);
  model.set_ir_version(77);
  EXPECT_THAT(errorOf(model), HasSubstr("IR version 77; versions up to 14"));
  model.clear_ir_version();
  EXPECT_THAT(errorOf(model), HasSubstr("not an ONNX model"));
}

TEST(ReadModelFile, files_that_are_no_model) {
  ModelFolder folder;
  EXPECT_THAT(readModelFile(folder.file("no.onnx")).status().message(), HasSubstr("there is no such file"));
  EXPECT_THAT(readModelFile(folder.file("")).status().message(), HasSubstr("is a folder"));
  folder.write("empty.onnx", "");
  EXPECT_THAT(readModelFile(folder.file("empty.onnx")).status().message(),
              HasSubstr("empty.onnx: is not an ONNX model"));
  folder.write("text.onnx", "this is no model at all, but a text of some length");
  auto text = readModelFile(folder.file("text.onnx"));
  EXPECT_EQ(text.status().code(), StatusCode::kUserError);
  EXPECT_THAT(text.status().message(), HasSubstr("text.onnx: not an ONNX model, or cut short"));
}

// --- External data. -------------------------------------------------------------------------------------------------------

// A model with one external initializer of 5 floats; entries as given.
onnx::ModelProto withExternal(const std::vector<std::pair<std::string, std::string>>& entries) {
  onnx::ModelProto model = parseGraph("(float[5] x) => (float[5] y) { y = Add(x, w) }");
  onnx::TensorProto& tensor = *model.mutable_graph()->add_initializer();
  tensor.set_name("w");
  tensor.set_data_type(onnx::TensorProto::FLOAT);
  tensor.add_dims(5);
  tensor.set_data_location(onnx::TensorProto::EXTERNAL);
  for (const auto& [key, value] : entries) {
    auto& entry = *tensor.add_external_data();
    entry.set_key(key);
    entry.set_value(value);
  }
  return model;
}

struct ExternalCase {
  const char* situation;
  std::vector<std::pair<std::string, std::string>> entries;
  const char* says;  // empty: it is good
};

void PrintTo(const ExternalCase& c, std::ostream* out) { *out << c.situation; }

class ExternalCases : public testing::TestWithParam<ExternalCase> {};

TEST_P(ExternalCases, are_accepted_or_refused) {
  ModelFolder folder;
  folder.write("w.bin", std::string(27, 'w'));
  std::filesystem::create_directory(folder.file("sub"));
  std::filesystem::create_symlink(folder.file("w.bin"), folder.file("link.bin"));
  auto model = readModelFile(folder.write(withExternal(GetParam().entries)));
  if (!*GetParam().says) {
    ASSERT_TRUE(model.ok()) << model.status().message();
    EXPECT_EQ(externalBytes(model->proto.graph().initializer(0)).length, 20);
    return;
  }
  ASSERT_FALSE(model.ok());
  EXPECT_THAT(model.status().message(), HasSubstr(std::string("model.onnx: w: ")));
  EXPECT_THAT(model.status().message(), HasSubstr(GetParam().says));
}

const ExternalCase kExternalCases[] = {
    {"whole_file_from_an_odd_offset", {{"location", "w.bin"}, {"offset", "7"}, {"length", "20"}}, ""},
    {"no_offset_and_no_length", {{"location", "w.bin"}}, ""},
    {"through_a_link", {{"location", "link.bin"}}, ""},
    {"with_a_checksum", {{"location", "./w.bin"}, {"checksum", "00"}}, ""},
    {"one_byte_beyond_the_end",
     {{"location", "w.bin"}, {"offset", "8"}},
     "of 20 bytes at offset 8 of \"w.bin\", which has 27"},
    {"offset_that_overflows", {{"location", "w.bin"}, {"offset", "9223372036854775800"}}, "which has 27"},
    {"negative_offset", {{"location", "w.bin"}, {"offset", "-4"}}, "offset is \"-4\""},
    {"offset_that_is_no_number", {{"location", "w.bin"}, {"offset", "0x10"}}, "offset is \"0x10\""},
    {"length_of_another_shape", {{"location", "w.bin"}, {"length", "24"}}, "shape [5] of float32 needs 20"},
    {"missing_file", {{"location", "other.bin"}}, "other.bin\": No such file"},
    {"parent_folder", {{"location", "../w.bin"}}, "leaves the model's folder"},
    {"parent_folder_in_the_middle", {{"location", "sub/../../w.bin"}}, "leaves the model's folder"},
    {"absolute_path", {{"location", "/etc/passwd"}}, "is not a relative POSIX path"},
    {"folder", {{"location", "sub"}}, "is not a file"},
    {"no_location", {{"offset", "0"}}, "names no file"},
};

INSTANTIATE_TEST_SUITE_P(Table, ExternalCases, testing::ValuesIn(kExternalCases),
                         [](const auto& info) { return std::string(info.param.situation); });

TEST(ReadModelFile, embedded_weights_become_references_into_the_model_itself) {
  ModelFolder folder;
  onnx::ModelProto model = parseGraph("(float[300] x) => (float[300] y) { y = Add(x, w) }");
  onnx::TensorProto& tensor = *model.mutable_graph()->add_initializer();
  tensor.set_name("w");
  tensor.set_data_type(onnx::TensorProto::FLOAT);
  tensor.add_dims(300);
  tensor.set_raw_data(std::string(1200, 'q'));
  auto read = readModelFile(folder.write(model));
  ASSERT_TRUE(read.ok()) << read.status().message();
  ExternalBytes bytes = externalBytes(read->proto.graph().initializer(0));
  EXPECT_EQ(bytes.location, "model.onnx");
  EXPECT_EQ(model.SerializeAsString().substr(bytes.offset, bytes.length), std::string(1200, 'q'));
  tensor.set_dims(0, 301);
  EXPECT_THAT(errorOf(model), HasSubstr("shape [301] of float32 needs 1204"));
}

// --- Model-local functions. -----------------------------------------------------------------------------------------------

constexpr char kFunctions[] = R"(
    <domain: "my", opset_import: ["" : 18, "my" : 1]>
    Scale <by> (a, absent) => (r, same) {
      f = Constant <value_float: float = @by>()
      [times] r = Mul(a, f)
      same = Identity(r)
      unused = my.Inner <slope: float = @slope>(a)
    }
    <domain: "my", opset_import: ["" : 20]>
    Inner <slope: float = 0.5> (a) => (r) { r = LeakyRelu <alpha: float = @slope>(a) })";

TEST(InlineLocalFunctions, calls_become_bodies_with_names_attributes_and_opsets) {
  ModelFolder folder;
  auto model = readModelFile(folder.write(parseModel(R"(<ir_version: 10, opset_import: ["" : 20, "my" : 1]>
      g (float[4] x) => (float[4] y) { [one] y, z = my.Scale <by = 3.0>(x) })" +
                                                     std::string(kFunctions))));
  ASSERT_TRUE(model.ok()) << model.status().message();
  const onnx::GraphProto& graph = model->proto.graph();
  EXPECT_THAT(nodeNames(graph),
              testing::ElementsAre("one/Constant_0", "one/times", "one/Identity_2", "one/Inner_3/LeakyRelu_0"));
  EXPECT_EQ(graph.node(0).attribute(0).name(), "value_float");
  EXPECT_EQ(graph.node(0).attribute(0).f(), 3.0f);
  EXPECT_EQ(graph.node(1).input(0), "x");
  EXPECT_EQ(graph.node(1).output(0), "y");
  EXPECT_EQ(graph.node(2).output(0), "z");
  EXPECT_EQ(graph.node(0).metadata_props(0).value(), "18");
  EXPECT_EQ(graph.node(3).metadata_props_size(), 0);
  EXPECT_EQ(graph.node(3).attribute(0).f(), 0.5f);  // the caller was given no slope to hand on: the default
  EXPECT_EQ(model->proto.functions_size(), 0);
}

TEST(InlineLocalFunctions, an_output_that_is_an_input_becomes_a_copy) {
  ModelFolder folder;
  auto model = readModelFile(folder.write(parseModel(R"(<ir_version: 10, opset_import: ["" : 20, "my" : 1]>
      g (float[4] x) => (float[4] y) { y = my.Same(x) }
      <domain: "my", opset_import: ["" : 20]> Same (a) => (a) { b = Neg(a) })")));
  ASSERT_TRUE(model.ok()) << model.status().message();
  const onnx::GraphProto& graph = model->proto.graph();
  EXPECT_EQ(graph.node(1).op_type(), "Identity");
  EXPECT_EQ(graph.node(1).input(0), "x");
  EXPECT_EQ(graph.node(1).output(0), "y");
}

TEST(InlineLocalFunctions, calls_that_do_not_fit_and_recursion_are_reported_together) {
  std::string message = errorOf(parseModel(R"(<ir_version: 10, opset_import: ["" : 20, "my" : 1]>
      g (float[4] x) => (float[4] y) { a = my.Scale(x)  b = my.Inner(x, a)  y = my.Loop(b) }
      <domain: "my", opset_import: ["my" : 1]> Loop (a) => (r) { r = my.Loop(a) })" +
                                           std::string(kFunctions)));
  EXPECT_THAT(message, HasSubstr("Scale_0: calls function my.Scale without its attribute \"by\""));
  EXPECT_THAT(message, HasSubstr("Inner_1: gives function my.Inner 2 inputs, and it has 1"));
  EXPECT_THAT(message, HasSubstr("calls function my.Loop, which calls itself"));
}

}  // namespace
}  // namespace shardwright
