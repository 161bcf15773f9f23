#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "compiler/dist/dist_dialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace shardwright {
namespace {

using ::testing::HasSubstr;

class DistOps : public ::testing::Test {
 protected:
  DistOps() : context(registry()) { context.loadAllAvailableDialects(); }
  static mlir::DialectRegistry registry() {
    mlir::DialectRegistry registry;
    registry.insert<mlir::func::FuncDialect>();
    registerDistDialect(registry);
    return registry;
  }
  mlir::OwningOpRef<mlir::ModuleOp> parse(const std::string& text) {
    return mlir::parseSourceString<mlir::ModuleOp>(text, &context);
  }
  static std::string print(mlir::ModuleOp module) {
    std::string s;
    llvm::raw_string_ostream os(s);
    module.print(os);
    return s;
  }
  // What the verifier says of one op on %x of the given type.
  std::string failure(const std::string& type, const std::string& op) {
    std::string message;
    mlir::ScopedDiagnosticHandler handler(&context, [&](mlir::Diagnostic& d) {
      if (message.empty()) message = d.str();
      return mlir::success();
    });
    EXPECT_FALSE(parse(kMesh + "func.func @f(%x: " + type + ", %g: tensor<7x6xf32>) {\n%0 = " + op + "\nreturn }"))
        << op;
    return message;
  }
  static inline const std::string kMesh = "#mesh = #dist.mesh<\"dp=2,tp=3\">\n";
  mlir::MLIRContext context;
};

constexpr const char* kEveryOp = R"mlir(#mesh = #dist.mesh<"dp=2,tp=3">
module attributes {dist.mesh = #mesh} {
  func.func @propagated(%arg0: tensor<7x6xf32>) -> tensor<7x6xf32> {
    %0 = dist.reshard %arg0 from <#mesh, "[7{tp}/7, _]"> to <#mesh, "[_, 6{tp}]"> : tensor<7x6xf32>
    return %0 : tensor<7x6xf32>
  }
  func.func @partitioned(%arg0: tensor<7x6xf32>, %arg1: tensor<7x6xf32>) {
    %0 = dist.read %arg0 as <#mesh, "[_, 6{tp}]"> : tensor<7x6xf32> -> tensor<7x2xf32>
    %1 = dist.all_gather %0 dim 1 over <#mesh, "tp"> : tensor<7x2xf32> -> tensor<7x6xf32>
    %2 = dist.all_to_all %0 dim 1 split 0 over <#mesh, "tp"> : tensor<7x2xf32> -> tensor<?x6xf32, #dist.exprs<["-floordiv(@tp, 3) + floordiv(@tp + 1, 3) + 2", 6]>>
    %3 = dist.reduce_scatter sum %1 dim 1 over <#mesh, "dp"> : tensor<7x6xf32> -> tensor<7x3xf32>
    %4 = dist.all_reduce max %1 over <#mesh, "dp,tp"> : tensor<7x6xf32>
    %5 = dist.mask sum %4 over <#mesh, "tp"> : tensor<7x6xf32>
    %6 = dist.slice %5 dim 1 from <["2*@tp"]> : tensor<7x6xf32> -> tensor<7x2xf32>
    %7 = dist.view %6 : tensor<7x2xf32> -> tensor<2x7xf32>
    %8 = dist.broadcast %7 over <#mesh, "tp"> : tensor<2x7xf32>
    %9 = dist.permute %8 of <["-@tp + 2"]> over <#mesh, "tp"> : tensor<2x7xf32> -> tensor<2x7xf32>
    dist.write %0, %arg1 as <#mesh, "[_, 6{tp}]"> if <["-@dp + 1"]> : tensor<7x2xf32>, tensor<7x6xf32>
    return
  }
}
)mlir";

TEST_F(DistOps, everyOpPrintsAsItIsRead) {
  auto module = parse(kEveryOp);
  ASSERT_TRUE(module);
  EXPECT_EQ(print(*module), kEveryOp);
}

TEST_F(DistOps, unusedOpsAreDroppedAndWritesAreKept) {
  auto module = parse(kEveryOp);
  ASSERT_TRUE(succeeded(mlir::applyPatternsAndFoldGreedily(*module, {})));
  std::string text = print(*module);
  EXPECT_THAT(text, HasSubstr("dist.write"));
  EXPECT_THAT(text, ::testing::Not(HasSubstr("dist.all_gather")));
  EXPECT_THAT(text, HasSubstr("dist.reshard"));
}

TEST_F(DistOps, reshardsAndViewsThatChangeNothingFold) {
  auto module = parse(kMesh + R"(func.func @f(%x: tensor<7x6xf32>) -> tensor<7x6xf32> {
    %0 = dist.reshard %x from <#mesh, "[_, 6{tp}]"> to <#mesh, "[_, 6{tp}]"> : tensor<7x6xf32>
    %1 = dist.view %0 : tensor<7x6xf32> -> tensor<42xf32>
    %2 = dist.view %1 : tensor<42xf32> -> tensor<7x6xf32>
    return %2 : tensor<7x6xf32> })");
  ASSERT_TRUE(succeeded(mlir::applyPatternsAndFoldGreedily(*module, {})));
  EXPECT_THAT(print(*module), ::testing::Not(HasSubstr("dist.")));
}

TEST_F(DistOps, verifiersSayWhatIsWrong) {
  const std::string x = "tensor<7x2xf32>";
  EXPECT_THAT(failure(x, "dist.all_gather %x dim 1 over <#mesh, \"tp\"> : " + x + " -> tensor<7x5xf32>"),
              HasSubstr("the members' parts 2 do not add up to 5"));
  EXPECT_THAT(failure(x, "dist.all_gather %x dim 1 over <#mesh, \"tp\"> : " + x + " -> tensor<6x6xf32>"),
              HasSubstr("the result has 6 in dim 0, expected 7"));
  EXPECT_THAT(failure(x, "dist.all_gather %x dim 2 over <#mesh, \"tp\"> : " + x + " -> tensor<7x6xf32>"),
              HasSubstr("dim 2 of a tensor of rank 2"));
  EXPECT_THAT(failure(x, "dist.all_gather %x dim 1 over <#mesh, \"tp\"> : " + x + " -> tensor<42xf32>"),
              HasSubstr("the result has rank 1, expected 2"));
  EXPECT_THAT(failure(x, "dist.reduce_scatter sum %x dim 1 over <#mesh, \"tp\"> : " + x +
                             " -> tensor<7x?xf32, #dist.exprs<[7, \"@tp\"]>>"),
              HasSubstr("do not add up to 2"));
  EXPECT_THAT(failure(x, "dist.all_to_all %x dim 1 split 1 over <#mesh, \"tp\"> : " + x + " -> " + x),
              HasSubstr("must gather along one dim and split another"));
  EXPECT_THAT(failure(x, "dist.view %x : " + x + " -> tensor<13xf32>"), HasSubstr("has 14 elements, the result 13"));
  EXPECT_THAT(failure(x, "dist.view %x : " + x + " -> tensor<14xf64>"), HasSubstr("must not change the element type"));
  EXPECT_THAT(failure(x, "dist.slice %x dim 1 from <[0, 1]> : " + x + " -> tensor<7x1xf32>"),
              HasSubstr("begin must be one expression, found 2"));
  EXPECT_THAT(failure(x, "dist.permute %x of <[1]> over <#mesh, \"tp\"> : " + x + " -> " + x),
              HasSubstr("member 1 reads member 1 of 3: each must be read exactly once"));
  EXPECT_THAT(failure(x, "dist.read %g as <#mesh, \"[_, 6{dp}]\"> : tensor<7x6xf32> -> " + x),
              HasSubstr("the local tensor has 2 in dim 1, expected 3"));
  EXPECT_THAT(failure(x, "dist.read %g as <#mesh, \"[_, _] partial=sum{tp}\"> : tensor<7x6xf32> -> " + x),
              HasSubstr("a global tensor cannot be partial"));
  EXPECT_THAT(failure(x, "dist.reshard %x from <#mesh, \"[_]\"> to <#mesh, \"[_, _]\"> : " + x),
              HasSubstr("a sharding of 1 dims for a tensor of rank 2"));
}

}  // namespace
}  // namespace shardwright
