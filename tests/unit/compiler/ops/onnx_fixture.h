// Owns the little that tests of rows share: a context, a function to put ops into, and values with symbolic sizes.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "compiler/dist/dist_dialect.h"
#include "compiler/onnx/onnx_dialect.h"
#include "compiler/ops/expansion.h"
#include "compiler/ops/row_op.h"
#include "compiler/ops/shape_functions.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "mlir/IR/Verifier.h"

namespace shardwright {

inline Exprs exprs(std::initializer_list<const char*> texts) {
  Exprs list;
  for (const char* text : texts) list.push_back(*Expr::parse(text));
  return list;
}

class OnnxTest : public testing::Test {
 public:
  OnnxTest() : builder(&context) {
    mlir::DialectRegistry registry;
    registerDistDialect(registry);
    registerOnnxDialect(registry);
    registry.insert<mlir::func::FuncDialect>();
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
    module = mlir::ModuleOp::create(builder.getUnknownLoc());
    builder.setInsertionPointToEnd(module->getBody());
    function = builder.create<mlir::func::FuncOp>(builder.getUnknownLoc(), "main", builder.getFunctionType({}, {}));
    builder.setInsertionPointToStart(function.addEntryBlock());
  }

  // An input of the function.
  mlir::Value input(std::initializer_list<const char*> dims, DType dtype = DType::kFloat32) {
    return function.front().addArgument(tensorType(&context, exprs(dims), dtype), builder.getUnknownLoc());
  }
  mlir::Value none() { return builder.create<NoneOp>(loc())->getResult(0); }
  mlir::Value ints(llvm::ArrayRef<int64_t> values) {
    auto type = mlir::RankedTensorType::get({static_cast<int64_t>(values.size())}, builder.getI64Type());
    return builder.create<ConstantOp>(loc(), mlir::DenseElementsAttr::get(type, values))->getResult(0);
  }
  mlir::Value index(int64_t value) {
    auto type = mlir::RankedTensorType::get({}, builder.getI64Type());
    return builder.create<ConstantOp>(loc(), mlir::DenseElementsAttr::get(type, value))->getResult(0);
  }
  mlir::Value number(float value) {
    auto type = mlir::RankedTensorType::get({}, builder.getF32Type());
    return builder.create<ConstantOp>(loc(), mlir::DenseElementsAttr::get(type, value))->getResult(0);
  }
  mlir::Value shape(std::initializer_list<const char*> values) {
    auto type = mlir::RankedTensorType::get({static_cast<int64_t>(values.size())}, builder.getI64Type());
    return builder.create<ShapeValueOp>(loc(), type, exprs(values))->getResult(0);
  }
  mlir::Location loc() { return mlir::NameLoc::get(builder.getStringAttr("node")); }

  using Attr = std::pair<llvm::StringRef, mlir::Attribute>;
  Attr attr(llvm::StringRef name, int64_t value) { return {name, builder.getI64IntegerAttr(value)}; }
  Attr attr(llvm::StringRef name, int value) { return attr(name, static_cast<int64_t>(value)); }
  Attr attr(llvm::StringRef name, double value) { return {name, builder.getF32FloatAttr(static_cast<float>(value))}; }
  Attr attr(llvm::StringRef name, const char* value) { return {name, builder.getStringAttr(value)}; }
  Attr attr(llvm::StringRef name, std::initializer_list<int64_t> v) { return {name, builder.getDenseI64ArrayAttr(v)}; }

  // A node with its results' types inferred; null where inference fails, with the message in `error`.
  mlir::Operation* node(llvm::StringRef name, llvm::ArrayRef<mlir::Value> operands, llvm::ArrayRef<Attr> attrs = {},
                        int numResults = 1) {
    const Row* row = findRow("", name);
    if (!row) {
      error = "no row " + name.str();
      return nullptr;
    }
    mlir::OperationState state(loc(), irName("", name));
    for (mlir::Value operand : operands) state.addOperands(operand ? operand : none());
    for (const Attr& one : attrs) state.addAttribute(one.first, one.second);
    state.types.assign(numResults, builder.getNoneType());
    mlir::Operation* op = builder.create(state);
    llvm::SmallVector<TensorShape> shapes;
    const Status status = inferResults(OpView(op, facts), *row, shapes);
    if (!status.ok()) {
      error = status.message();
      op->erase();
      return nullptr;
    }
    EXPECT_EQ(static_cast<int>(shapes.size()), numResults) << name.str();
    for (int i = 0; i < numResults; ++i)
      op->getResult(i).setType(tensorType(&context, shapes[i].dims, shapes[i].dtype));
    return op;
  }

  std::string dimsText(mlir::Value value) { return str(dimsOf(value.getType())); }
  std::string rule(mlir::Operation* op) {
    if (!op) return error;
    const StatusOr<Rule> parsed = ruleOf(OpView(op, facts), *rowOf(op));
    return parsed.ok() ? ruleText(OpView(op, facts), *rowOf(op)) : parsed.status().message();
  }
  std::string dims(mlir::Operation* op, int result = 0) { return op ? dimsText(op->getResult(result)) : error; }
  std::string value(mlir::Operation* op) {
    if (!op) return error;
    const Row* row = rowOf(op);
    const std::optional<Exprs> known = row->inferValue ? row->inferValue(OpView(op, facts)) : std::nullopt;
    return known ? str(*known) : "unknown";
  }

  mlir::MLIRContext context;
  mlir::OpBuilder builder;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  mlir::func::FuncOp function;
  Facts facts;
  std::string error;
};

}  // namespace shardwright
