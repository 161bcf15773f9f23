#include "compiler/onnx/import.h"

#include <gmock/gmock.h>

#include <random>

#include "compiler/dist/module_symbols.h"
#include "compiler/onnx/onnx_dialect.h"
#include "compiler/onnx/value_names.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "model_text.h"

namespace shardwright {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class ImportModel : public testing::Test {
 protected:
  ImportModel() { context_.allowUnregisteredDialects(); }

  StatusOr<mlir::OwningOpRef<mlir::ModuleOp>> import(const onnx::ModelProto& proto, const ImportOptions& options = {}) {
    auto model = readModelFile(folder_.write(proto));
    if (!model.ok()) return model.status();
    return importModel(&context_, *model, options);
  }

  mlir::func::FuncOp mainOf(const mlir::OwningOpRef<mlir::ModuleOp>& module) {
    return *module.get().getOps<mlir::func::FuncOp>().begin();
  }

  mlir::Operation* find(const mlir::OwningOpRef<mlir::ModuleOp>& module, const std::string& node) {
    for (mlir::Operation& op : mainOf(module).getBody().front())
      if (nodeName(op.getLoc()) == node) return &op;
    ADD_FAILURE() << "no node " << node;
    return nullptr;
  }

  static std::string text(mlir::Type type) {
    std::string out;
    llvm::raw_string_ostream(out) << type;
    return out;
  }
  static std::string text(mlir::Attribute attr) {
    std::string out;
    llvm::raw_string_ostream(out) << attr;
    return out;
  }

  ModelFolder folder_;
  mlir::MLIRContext context_;
};

TEST_F(ImportModel, dims_of_inputs_are_numbers_symbols_expressions_or_named_after_the_input) {
  auto module = import(parseGraph("(float[batch, 3] x, int64[\"past + 2*new\", ?] ids) => (float y) { y = Neg(x) }"));
  ASSERT_TRUE(module.ok()) << module.status().message();
  auto main = mainOf(*module);
  EXPECT_EQ(text(main.getArgument(0).getType()), "tensor<?x3xf32, #dist.exprs<[\"batch\", 3]>>");
  EXPECT_EQ(text(main.getArgument(1).getType()), "tensor<?x?xi64, #dist.exprs<[\"2*new + past\", \"ids_dim1\"]>>");
  EXPECT_EQ(valueName(main.getArgument(1)), "ids");
  std::vector<std::string> names;
  for (const SymbolInfo& symbol : symbolsOf(**module)) {
    names.push_back(symbol.name);
    EXPECT_EQ(symbol.range.min, 0);
    EXPECT_EQ(symbol.assumed, symbol.name == "batch" ? 1 : 128);
  }
  EXPECT_THAT(names, ElementsAre("batch", "ids_dim1", "new", "past"));
  EXPECT_EQ(batchOf(**module), "batch");
}

TEST_F(ImportModel, a_batch_whose_size_is_said_does_not_follow_its_parts) {
  ImportOptions options;
  for (int64_t said : {0, 5}) {
    if (said > 0) options.assumed["b"] = said;
    auto module = import(parseGraph("(float[b, 2] x) => (float y) { y = Neg(x) }"), options);
    ASSERT_TRUE(module.ok()) << module.status().message();
    cutAssumedBatch(**module, 3);
    EXPECT_EQ(symbolsOf(**module)[0].assumed, said > 0 ? said : 3);
  }
}

TEST_F(ImportModel, options_fix_bound_and_assume_symbols) {
  ImportOptions options;
  options.fixed["b"] = 5;
  options.maximum["s"] = 40;
  options.assumed["t"] = 77;
  auto module = import(parseGraph("(float[b, s, t, \"b + s\"] x) => (float y) { y = Neg(x) }"), options);
  ASSERT_TRUE(module.ok()) << module.status().message();
  EXPECT_THAT(text(mainOf(*module).getArgument(0).getType()), HasSubstr("[5, \"s\", \"t\", \"s + 5\"]"));
  std::vector<SymbolInfo> symbols = symbolsOf(**module);
  ASSERT_EQ(symbols.size(), 2u);
  EXPECT_EQ(symbols[0].range.max, 40);
  EXPECT_EQ(symbols[0].assumed, 40);
  EXPECT_EQ(symbols[1].assumed, 77);
  EXPECT_EQ(batchOf(**module), "");
}

TEST_F(ImportModel, options_that_name_nothing_are_refused_with_what_there_is) {
  ImportOptions options;
  options.fixed["sequence"] = 3;
  options.maximum["s"] = 0;
  options.batch = "n";
  auto module = import(parseGraph("(float[b, s] x) => (float y) { y = Neg(x) }"), options);
  ASSERT_FALSE(module.ok());
  EXPECT_THAT(module.status().message(),
              HasSubstr("--dim names \"sequence\", which is no dim of an input; these are: b, s"));
  EXPECT_THAT(module.status().message(), HasSubstr("--max s=0: a size is at least 1"));
  EXPECT_THAT(module.status().message(), HasSubstr("--batch names \"n\""));
}

TEST_F(ImportModel, nodes_keep_their_names_and_those_of_their_results) {
  auto module =
      import(parseGraph("(float[6] x) => (float y) { [cut] a, b = Split <num_outputs = 2> (x)  y = Add(a, b) }"));
  ASSERT_TRUE(module.ok()) << module.status().message();
  mlir::Operation* cut = find(*module, "cut");
  ASSERT_TRUE(cut);
  EXPECT_EQ(valueName(cut->getResult(0)), "a");
  EXPECT_EQ(valueName(cut->getResult(1)), "b");
  mlir::Operation* add = find(*module, "Add_1");
  EXPECT_EQ(add->getName().getStringRef(), "onnx.Add");
  EXPECT_EQ(valueName(add->getResult(0)), "y");
  EXPECT_EQ(add->getOperand(1), cut->getResult(1));
}

TEST_F(ImportModel, absent_operands_are_none_and_other_domains_are_in_the_name) {
  onnx::ModelProto proto =
      parseGraph("(float[6] x) => (float y) { y = my.F <a = 1, s = \"t\", v = [2, 3]> (x, \"\", x) }");
  proto.mutable_graph()->mutable_node(0)->set_input(1, "");
  auto module = import(proto);
  ASSERT_TRUE(module.ok()) << module.status().message();
  mlir::Operation* op = find(*module, "F_0");
  EXPECT_EQ(op->getName().getStringRef(), "onnx.my.F");
  EXPECT_TRUE(op->getOperand(1).getDefiningOp<NoneOp>());
  EXPECT_EQ(text(op->getAttr("a")), "1 : i64");
  EXPECT_EQ(text(op->getAttr("s")), "\"t\"");
  EXPECT_EQ(text(op->getAttr("v")), "array<i64: 2, 3>");
}

TEST_F(ImportModel, constant_nodes_of_every_kind_become_constants) {
  auto module = import(parseGraph(R"((float[6] x) => (float y) {
      a = Constant <value = float[2] {1.5, -2.5}>()
      b = Constant <value_int = 7>()
      c = Constant <value_ints = [8, 9]>()
      d = Constant <value_float = 0.5>()
      e = Constant <value_floats = [3.5]>()
      y = my.F(a, b, c, d, e) })"));
  ASSERT_TRUE(module.ok()) << module.status().message();
  std::vector<std::string> values;
  for (mlir::Value operand : find(*module, "F_5")->getOperands())
    values.push_back(text(operand.getDefiningOp<ConstantOp>().value()));
  EXPECT_THAT(values, ElementsAre("dense<[1.500000e+00, -2.500000e+00]> : tensor<2xf32>", "dense<7> : tensor<i64>",
                                  "dense<[8, 9]> : tensor<2xi64>", "dense<5.000000e-01> : tensor<f32>",
                                  "dense<3.500000e+00> : tensor<1xf32>"));
}

TEST_F(ImportModel, constants_of_every_type_and_field_keep_their_values) {
  onnx::ModelProto proto = parseGraph("(float[6] x) => (float y) { y = my.F(h, bits, i, u, n) }");
  auto add = [&](const char* name, onnx::TensorProto::DataType type, int64_t count) {
    onnx::TensorProto& tensor = *proto.mutable_graph()->add_initializer();
    tensor.set_name(name);
    tensor.set_data_type(type);
    tensor.add_dims(count);
    return &tensor;
  };
  onnx::TensorProto* half = add("h", onnx::TensorProto::FLOAT16, 2);
  half->add_int32_data(0x3c00);
  half->add_int32_data(0xc100);
  add("bits", onnx::TensorProto::BOOL, 3)->set_raw_data(std::string("\1\0\1", 3));
  add("i", onnx::TensorProto::INT4, 3)->set_raw_data("\x2f\x07");
  add("u", onnx::TensorProto::UINT64, 1)->add_uint64_data(UINT64_MAX - 1);
  onnx::TensorProto* narrow = add("n", onnx::TensorProto::INT8, 2);
  narrow->add_int32_data(-5);
  narrow->add_int32_data(6);
  auto module = import(proto);
  ASSERT_TRUE(module.ok()) << module.status().message();
  std::vector<std::string> values;
  for (mlir::Value operand : find(*module, "F_0")->getOperands())
    values.push_back(text(operand.getDefiningOp<ConstantOp>().value()));
  EXPECT_THAT(values, ElementsAre("dense<[1.000000e+00, -2.500000e+00]> : tensor<2xf16>",
                                  "dense<[true, false, true]> : tensor<3xi1>", "dense<[-1, 2, 7]> : tensor<3xi4>",
                                  "dense<18446744073709551614> : tensor<1xui64>", "dense<[-5, 6]> : tensor<2xi8>"));
}

TEST_F(ImportModel, weights_are_references_and_equal_ones_are_one) {
  onnx::ModelProto proto = parseGraph("(float[300] x) => (float y) { y = my.F(w, v, small) }");
  folder_.write("w.bin", std::string(2000, 'w'));
  auto add = [&](const char* name, int64_t count, const char* offset) {
    onnx::TensorProto& tensor = *proto.mutable_graph()->add_initializer();
    tensor.set_name(name);
    tensor.set_data_type(onnx::TensorProto::FLOAT);
    tensor.add_dims(count);
    tensor.set_data_location(onnx::TensorProto::EXTERNAL);
    for (auto [key, value] : {std::pair("location", "w.bin"), std::pair("offset", offset)}) {
      tensor.add_external_data()->set_key(key);
      tensor.mutable_external_data()->rbegin()->set_value(value);
    }
  };
  add("w", 300, "13");
  add("v", 300, "13");
  add("small", 2, "0");
  auto module = import(proto);
  ASSERT_TRUE(module.ok()) << module.status().message();
  mlir::Operation* op = find(*module, "F_0");
  auto weight = op->getOperand(0).getDefiningOp<WeightOp>();
  ASSERT_TRUE(weight);
  EXPECT_EQ(weight.offset(), 13);
  EXPECT_EQ(weight.length(), 1200);
  EXPECT_EQ(weight.location(), "w.bin");
  EXPECT_EQ(valueName(op->getOperand(0)), "w");
  EXPECT_EQ(op->getOperand(0), op->getOperand(1));
  EXPECT_TRUE(op->getOperand(2).getDefiningOp<ConstantOp>());
}

TEST_F(ImportModel, an_input_with_an_initializer_is_a_constant) {
  auto module = import(parseModel(R"(<ir_version: 10, opset_import: ["" : 20]>
      g (float[2] x, float[2] w = {1.0, 2.0}) => (float y) { y = Add(x, w) })"));
  ASSERT_TRUE(module.ok()) << module.status().message();
  EXPECT_EQ(mainOf(*module).getNumArguments(), 1u);
  EXPECT_TRUE(find(*module, "Add_0")->getOperand(1).getDefiningOp<ConstantOp>());
}

TEST_F(ImportModel, all_that_is_wrong_is_reported) {
  onnx::ModelProto proto = parseGraph("(float x, seq(float[2]) s, string[3] t) => (float y) { y = Neg(w) }");
  proto.mutable_graph()->mutable_input(0)->mutable_type()->mutable_tensor_type()->clear_shape();
  onnx::TensorProto& tensor = *proto.mutable_graph()->add_initializer();
  tensor.set_name("w");
  tensor.set_data_type(onnx::TensorProto::FLOAT);
  tensor.add_dims(3);
  tensor.add_float_data(1);
  auto module = import(proto);
  ASSERT_FALSE(module.ok());
  EXPECT_THAT(module.status().message(), HasSubstr("model.onnx: input \"x\" has no shape"));
  EXPECT_THAT(module.status().message(), HasSubstr("model.onnx: input \"s\" is not a tensor"));
  EXPECT_THAT(module.status().message(), HasSubstr("input \"t\" is of element type string, which is not supported"));
  EXPECT_THAT(module.status().message(), HasSubstr("model.onnx: w: a tensor of FLOAT holds other than the 3 elements"));
}

// Every reader meets damaged files. Bytes of a model with most kinds of fields are changed, removed or repeated; what comes
// out is an error or a module, and never a crash.
TEST_F(ImportModel, damaged_models_are_refused_or_imported) {
  onnx::ModelProto proto = parseModel(R"(<ir_version: 10, opset_import: ["" : 20, "my" : 1]>
      g (float[b, 3] x, int64["b + 1", ?] ids) => (float[b, 3] y, float z) {
        c = Constant <value = float[2] {1.5, -2.5}>()
        [cut] l, r = Split <axis = 1, num_outputs = 2> (x)
        y = my.F <by = 2.0>(x)
        z = If (t) <then_branch = a () => (float u) { u = Neg(l) }, else_branch = e () => (float v) { v = Neg(r) }>
      }
      <domain: "my", opset_import: ["" : 18]> F <by> (a) => (o) { f = Constant <value_float: float = @by>() o = Mul(a, f) })");
  proto.mutable_graph()->mutable_node(3)->set_input(0, "ids");
  onnx::TensorProto& tensor = *proto.mutable_graph()->add_initializer();
  tensor.set_name("w");
  tensor.set_data_type(onnx::TensorProto::FLOAT);
  tensor.add_dims(300);
  tensor.set_raw_data(std::string(1200, 'w'));
  const std::string good = proto.SerializeAsString();
  ASSERT_TRUE(import(proto).ok()) << import(proto).status().message();
  std::mt19937 random(20250721);
  int imported = 0;
  for (int i = 0; i < 600; ++i) {
    std::string bytes = good;
    for (int n = 1 + random() % 3; n > 0; --n) {
      size_t at = random() % bytes.size();
      switch (random() % 3) {
        case 0:
          bytes[at] = static_cast<char>(random());
          break;
        case 1:
          bytes.erase(at, 1 + random() % 8);
          break;
        default:
          bytes.insert(at, bytes.substr(at, 1 + random() % 8));
      }
      if (bytes.empty()) bytes = "x";
    }
    folder_.write("model.onnx", bytes);
    auto model = readModelFile(folder_.file("model.onnx"));
    if (model.ok()) imported += importModel(&context_, *model, {}).ok();
  }
  EXPECT_GT(imported, 20);
}

}  // namespace
}  // namespace shardwright
