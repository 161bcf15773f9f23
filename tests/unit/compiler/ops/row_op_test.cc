#include "compiler/ops/row_op.h"

#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"
#include "tests/unit/compiler/ops/onnx_fixture.h"

namespace shardwright {
namespace {

class RowOpTest : public OnnxTest {
 protected:
  int count(llvm::StringRef name) {
    int found = 0;
    module->walk([&](mlir::Operation* op) { found += op->getName().getStringRef() == name; });
    return found;
  }
  void runPass(std::unique_ptr<mlir::Pass> pass) {
    mlir::PassManager manager(&context);
    manager.addPass(std::move(pass));
    ASSERT_TRUE(mlir::succeeded(manager.run(*module)));
  }
  void finish(llvm::ArrayRef<mlir::Value> results) {
    builder.create<mlir::func::ReturnOp>(loc(), results);
    llvm::SmallVector<mlir::Type> inputs, outputs;
    for (mlir::Value result : results) outputs.push_back(result.getType());
    for (auto argument : function.front().getArguments()) inputs.push_back(argument.getType());
    function.setType(builder.getFunctionType(inputs, outputs));
  }
};

TEST_F(RowOpTest, every_row_is_found_by_its_op_and_by_its_name) {
  for (const Row* row : allRows()) {
    EXPECT_EQ(findRow(row->domain, row->name), row);
    const auto info = mlir::RegisteredOperationName::lookup(irName(row->domain, row->name), &context);
    ASSERT_TRUE(info.has_value()) << row->name;
  }
  mlir::Operation* add = node("Add", {input({"3"}), input({"3"})});
  EXPECT_EQ(rowOf(add), findRow("", "Add"));
  EXPECT_TRUE(mlir::isa<RowOp>(add));
  EXPECT_EQ(rowOf(ints({1}).getDefiningOp()), nullptr);
  EXPECT_EQ(findRow("ai.onnx", "Add"), findRow("", "Add"));
  EXPECT_EQ(findRow("com.example", "Add"), nullptr);
}

TEST_F(RowOpTest, equal_ops_are_merged_and_others_are_not) {
  mlir::Value x = input({"batch", "7"}), y = input({"batch", "7"});
  mlir::Value a = node("Add", {x, y})->getResult(0), b = node("Add", {x, y})->getResult(0);
  mlir::Value c = node("Gelu", {x})->getResult(0), d = node("Gelu", {x}, {attr("approximate", "tanh")})->getResult(0);
  finish({a, b, c, d});
  runPass(mlir::createCSEPass());
  EXPECT_EQ(count("onnx.Add"), 1);
  EXPECT_EQ(count("onnx.Gelu"), 2);
}

TEST_F(RowOpTest, unused_ops_are_removed_with_what_only_they_used) {
  mlir::Value x = input({"batch", "7"});
  mlir::Value kept = node("Relu", {x})->getResult(0);
  node("Reshape", {node("Exp", {x})->getResult(0), ints({-1})});
  finish({kept});
  runPass(mlir::createCanonicalizerPass());
  EXPECT_EQ(count("onnx.Relu"), 1);
  EXPECT_EQ(count("onnx.Exp") + count("onnx.Reshape") + count("onnx.Constant"), 0);
}

TEST_F(RowOpTest, text_is_read_back) {
  mlir::Value x = input({"batch", "2*batch + 1"});
  finish({node("Transpose", {x}, {attr("perm", {1, 0})})->getResult(0)});
  std::string text;
  llvm::raw_string_ostream stream(text);
  module->print(stream);
  ASSERT_TRUE(mlir::succeeded(mlir::verify(*module))) << text;
  mlir::ParserConfig config(&context);
  auto again = mlir::parseSourceString<mlir::ModuleOp>(text, config);
  ASSERT_TRUE(again) << text;
  std::string second;
  llvm::raw_string_ostream secondStream(second);
  again->print(secondStream);
  EXPECT_EQ(text, second);
}

}  // namespace
}  // namespace shardwright
