#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "compiler/dist/dist_dialect.h"
#include "compiler/dist/sharding.h"
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/IR/MLIRContext.h"

namespace shardwright {
namespace {

class DistAttrs : public ::testing::Test {
 protected:
  DistAttrs() : context(registry()) { context.loadAllAvailableDialects(); }
  static mlir::DialectRegistry registry() {
    mlir::DialectRegistry registry;
    registerDistDialect(registry);
    return registry;
  }
  template <typename T>
  static std::string text(T t) {
    std::string s;
    llvm::raw_string_ostream os(s);
    t.print(os);
    return s;
  }
  mlir::Attribute parse(const std::string& t) { return mlir::parseAttribute(t, &context); }
  std::string failure(const std::string& t) {
    std::string message;
    mlir::ScopedDiagnosticHandler handler(&context, [&](mlir::Diagnostic& d) {
      message = d.str();
      return mlir::success();
    });
    EXPECT_FALSE(parse(t)) << t;
    return message;
  }
  mlir::MLIRContext context;
};

TEST_F(DistAttrs, exprsPrintConstantsAsNumbersAndAreUniqued) {
  Expr batch = Expr::symbol("batch");
  mlir::Attribute a = exprsAttr(&context, {batch * Expr(2), Expr(3), Expr(-4)});
  EXPECT_EQ(text(a), "#dist.exprs<[\"" + (batch * Expr(2)).str() + "\", 3, -4]>");
  EXPECT_EQ(a, exprsAttr(&context, {batch + batch, Expr(3), Expr(-4)}));
  EXPECT_EQ(a, parse(text(a)));
  EXPECT_EQ(exprsAttr(&context, {}), parse("#dist.exprs<[]>"));
  EXPECT_EQ(exprsOf(a)[0], batch * Expr(2));
  EXPECT_FALSE(isExprsAttr(mlir::Attribute()));
}

TEST_F(DistAttrs, aTensorTypeListsItsSizesOnlyIfOneIsSymbolic) {
  Expr batch = Expr::symbol("batch");
  mlir::RankedTensorType constant = tensorType(&context, {Expr(2), Expr(7)}, DType::kFloat32);
  EXPECT_EQ(text(constant), "tensor<2x7xf32>");
  EXPECT_EQ(dimsOf(constant), (Exprs{2, 7}));
  mlir::RankedTensorType symbolic = tensorType(&context, {batch, Expr(7)}, DType::kInt64);
  EXPECT_EQ(text(symbolic), "tensor<?x7xi64, #dist.exprs<[\"batch\", 7]>>");
  EXPECT_EQ(dimsOf(symbolic), (Exprs{batch, 7}));
  EXPECT_EQ(mlir::parseType(text(symbolic), &context), symbolic);
  EXPECT_EQ(dtypeOf(symbolic), DType::kInt64);
}

TEST_F(DistAttrs, anEncodingMustAgreeWithItsType) {
  auto failure = [&](const std::string& t) {
    std::string message;
    mlir::ScopedDiagnosticHandler handler(&context, [&](mlir::Diagnostic& d) {
      message = d.str();
      return mlir::success();
    });
    EXPECT_FALSE(mlir::parseType(t, &context)) << t;
    return message;
  };
  EXPECT_EQ(failure("tensor<?x7xf32, #dist.exprs<[7]>>"), "the encoding lists 1 sizes, the type has 2 dims");
  EXPECT_EQ(failure("tensor<?x7xf32, #dist.exprs<[2, 7]>>"), "dim 0: the encoding says 2, so the type must say 2");
  EXPECT_EQ(failure("tensor<?x7xf32, #dist.exprs<[\"b\", \"c\"]>>"),
            "dim 1: the encoding says c, so the type must say ?");
}

TEST_F(DistAttrs, everyElementTypeThatMlirHasMapsBack) {
  for (int i = 1; i <= 26; ++i) {
    DType dtype = static_cast<DType>(i);
    if (dtype == DType::kString) continue;  // the onnx dialect's
    mlir::Type type = elementType(&context, dtype);
    if (i <= 22) {
      EXPECT_EQ(dtypeOf(type), dtype) << dtypeName(dtype);
    } else {
      EXPECT_FALSE(type) << dtypeName(dtype);
    }
  }
  EXPECT_EQ(dtypeOf(mlir::NoneType::get(&context)), DType::kUndefined);
}

TEST_F(DistAttrs, meshesAndShardingsRoundTrip) {
  Mesh mesh = *Mesh::parse("dp=2,tp=8");
  Sharding s = *parseSharding("[_, batch{dp}/batch, 3*(2*heads){tp:(2)4}/heads] partial=max{tp:(1)2}", mesh);
  mlir::Attribute attr = shardingAttr(&context, s, mesh);
  EXPECT_EQ(parse(text(attr)), attr) << text(attr);
  EXPECT_EQ(shardingOf(attr), s);
  EXPECT_EQ(text(meshAttr(&context, mesh)), "#dist.mesh<\"dp=2,tp=8\">");
  EXPECT_EQ(meshOf(attr).str(), "dp=2,tp=8");
  std::string axes = "#dist.axes<#dist.mesh<\"dp=2,tp=8\">, \"tp:(2)4,dp\">";
  EXPECT_EQ(text(parse(axes)), axes);
}

TEST_F(DistAttrs, whatIsWrongIsSaidWithItsPlace) {
  EXPECT_EQ(failure("#dist.sharding<#dist.mesh<\"tp=2\">, \"[7{xx}]\">"),
            "sharding \"[7{xx}]\", character 6: there is no mesh axis \"xx\"; the mesh is tp=2");
  EXPECT_THAT(failure("#dist.exprs<[\"1+\"]>"), ::testing::Not(""));
  EXPECT_THAT(failure("#dist.exprs<[x]>"), ::testing::Not(""));
  EXPECT_EQ(failure("#dist.nothing"), "unknown attribute of dist: nothing; there are axes, exprs, mesh and sharding");
}

}  // namespace
}  // namespace shardwright
