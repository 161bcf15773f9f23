// Every reshard between many shardings, planned, emitted, run on all ranks, and compared with the oracle.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "compiler/analysis/emit_reshard.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Verifier.h"
#include "tests/unit/compiler/analysis/dist_interpreter.h"

namespace shardwright {
namespace {

Machine machine() {
  StatusOr<Machine> m = builtInMachine("cpu");
  EXPECT_TRUE(m.ok()) << m.status().message();
  return *m;
}

class Reshard : public ::testing::Test {
 protected:
  Reshard() : context(registry()) { context.loadAllAvailableDialects(); }
  static mlir::DialectRegistry registry() {
    mlir::DialectRegistry registry;
    registry.insert<mlir::func::FuncDialect>();
    registerDistDialect(registry);
    return registry;
  }

  // The ranks' values of a tensor whose element i is i + 1, under the sharding; partial values that differ on every rank.
  std::vector<Elements> scattered(const Sharding& s, const std::vector<int64_t>& dims, const Mesh& mesh) {
    std::vector<Elements> byRank;
    for (int64_t rank = 0; rank < mesh.numRanks(); ++rank) {
      byRank.push_back(indexSet(s, dims, mesh, mesh.coordinatesOf(rank)));
      for (int64_t& v : byRank.back()) ++v;
    }
    if (s.partial.empty()) return byRank;
    // Ranks that hold copies must agree, so the noise depends on the position on `partial` and on the element alone.
    auto noise = [](int64_t position, int64_t v) { return (position * 7 + v * 5) % 11 + 1; };
    for (int64_t rank = 0; rank < mesh.numRanks(); ++rank) {
      int64_t position = positionOn(s.partial, mesh, rank), n = sizeOf(s.partial);
      for (int64_t& v : byRank[rank]) {
        int64_t whole = v, keeper = whole % n;
        if (s.combiner == PartialKind::kSum) {
          v = noise(position, whole);
          if (position != keeper) continue;
          v = whole;
          for (int64_t other = 0; other < n; ++other) v -= other == keeper ? 0 : noise(other, whole);
        } else {
          int64_t off = position == keeper ? 0 : noise(position, whole);
          v = s.combiner == PartialKind::kMax ? whole - off : whole + off;
        }
      }
    }
    return byRank;
  }

  std::vector<Elements> combined(std::vector<Elements> byRank, const Sharding& s, const Mesh& mesh) {
    if (s.partial.empty()) return byRank;
    std::vector<Elements> result = byRank;
    for (int64_t rank = 0; rank < mesh.numRanks(); ++rank) {
      std::vector<int64_t> members = groupOf(s.partial, mesh, rank);
      result[rank] = byRank[members[0]];
      for (size_t m = 1; m < members.size(); ++m)
        for (size_t i = 0; i < result[rank].size(); ++i)
          result[rank][i] = combine(s.combiner, result[rank][i], byRank[members[m]].at(i));
    }
    return result;
  }

  void check(const Sharding& from, const Sharding& to, const Exprs& dims, const Bindings& sizes,
             ReshardPlanner& planner) {
    const Mesh& mesh = planner.mesh();
    SCOPED_TRACE(str(from, mesh) + " -> " + str(to, mesh) + " on " + mesh.str());
    mlir::OpBuilder builder(&context);
    mlir::Location loc = builder.getUnknownLoc();
    mlir::OwningOpRef<mlir::ModuleOp> module = mlir::ModuleOp::create(loc);
    builder.setInsertionPointToStart(module->getBody());
    mlir::Type type = tensorType(&context, localDims(from, dims, mesh), DType::kInt64);
    auto function = builder.create<mlir::func::FuncOp>(loc, "f", builder.getFunctionType({type}, {}));
    mlir::Block* body = function.addEntryBlock();
    builder.setInsertionPointToStart(body);
    mlir::Value result = emitReshard(builder, loc, body->getArgument(0), from, to, dims, planner);
    builder.create<mlir::func::ReturnOp>(loc);
    ASSERT_TRUE(mlir::succeeded(mlir::verify(*module)));
    EXPECT_EQ(dimsOf(result.getType()), localDims(to, dims, mesh));

    auto constantOf = [&](Sharding s) {
      std::map<std::string, Expr> values;
      for (const auto& [name, value] : sizes) values.emplace(name, value);
      for (DimSharding& d : s.dims)
        for (DimSplit& split : d.factors) {
          split.extent = split.extent.substitute(values);
          split.granules = split.granules.substitute(values);
        }
      return s;
    };
    std::vector<int64_t> shape;
    for (Expr dim : dims) shape.push_back(*dim.evaluate(sizes));
    DistInterpreter interpreter(mesh, sizes);
    interpreter.set(body->getArgument(0), scattered(constantOf(from), shape, mesh));
    interpreter.run(*body);
    Sharding whole = constantOf(to);
    whole.partial.clear();
    whole.combiner = PartialKind::kNone;
    EXPECT_EQ(combined(interpreter.get(result), to, mesh), scattered(whole, shape, mesh)) << text(*module);
  }

  static std::string text(mlir::ModuleOp module) {
    std::string s;
    llvm::raw_string_ostream os(s);
    module.print(os);
    return s;
  }

  // All pairs of the shardings that the texts give and that are valid for the tensor.
  int checkAllPairs(const std::string& meshText, const Exprs& dims, const std::vector<std::string>& texts,
                    const Bindings& sizes = {}) {
    ReshardPlanner planner(*Mesh::parse(meshText), Facts(), sizes, machine());
    std::vector<Sharding> all;
    for (const std::string& text : texts) {
      StatusOr<Sharding> s = parseSharding(text, planner.mesh());
      EXPECT_TRUE(s.ok()) << text << ": " << s.status().message();
      if (!validate(*s, dims, planner.mesh(), planner.facts()).ok()) continue;
      Sharding form = canonical(*s, dims, planner.facts());
      if (std::find(all.begin(), all.end(), form) == all.end()) all.push_back(form);
    }
    int checked = 0;
    for (const Sharding& from : all)
      for (const Sharding& to : all) {
        check(from, to, dims, sizes, planner);
        ++checked;
        if (HasFailure()) return checked;
      }
    return checked;
  }

  // All combinations of the dims' texts and of the endings; those that use an axis twice are dropped by checkAllPairs.
  static std::vector<std::string> product(const std::vector<std::vector<std::string>>& dims,
                                          const std::vector<std::string>& endings) {
    std::vector<std::string> texts = {"["};
    for (size_t d = 0; d < dims.size(); ++d) {
      std::vector<std::string> next;
      for (const std::string& t : texts)
        for (const std::string& option : dims[d]) next.push_back(t + (d ? ", " : "") + option);
      texts = std::move(next);
    }
    std::vector<std::string> all;
    for (const std::string& t : texts)
      for (const std::string& ending : endings) all.push_back(t + "]" + ending);
    return all;
  }

  mlir::MLIRContext context;
};

TEST_F(Reshard, oneAxisEvenAndUneven) {
  for (const char* mesh : {"a=2", "a=3", "a=4"}) {
    int n = checkAllPairs(mesh, {7, 12},
                          product({{"_", "7{a}/7", "7{a}/1"},
                                   {"_", "12{a}/12", "12{a}/6", "12{a}/3", "12{a}/1", "3*4{a}/4", "2*6{a}/3",
                                    "4*3{a}/3", "6{a}/6*2", "2*3{a}/3*2"}},
                                  {"", " partial=sum{a}", " partial=max{a}"}));
    EXPECT_GE(n, 100) << mesh;
  }
}

TEST_F(Reshard, subAxes) {
  int n = checkAllPairs("a=4", {8, 6},
                        product({{"_", "8{a}", "8{a:(1)2}", "8{a:(2)2}", "8{a:(2)2,a:(1)2}", "2{a:(1)2}*4{a:(2)2}",
                                  "4{a:(1)2}*2{a:(2)2}", "2*4{a:(2)2}"},
                                 {"_", "6{a:(1)2}", "6{a:(2)2}/3", "6{a}/6", "2{a:(2)2}*3{a:(1)2}/3"}},
                                {"", " partial=sum{a:(1)2}", " partial=sum{a}"}));
  EXPECT_GT(n, 300);
}

TEST_F(Reshard, twoAxes) {
  int n = checkAllPairs("a=2,b=2", {8, 6},
                        product({{"_", "8{a}", "8{b}", "8{a,b}", "8{b,a}", "8{a,b}/8", "2*4{b}", "4{a}*2{b}", "8{a}/1"},
                                 {"_", "6{a}", "6{b}", "6{a,b}/6", "6{b,a}/3", "2{a}*3{b}/3"}},
                                {"", " partial=sum{a}", " partial=sum{b}", " partial=sum{a,b}", " partial=min{b}"}));
  EXPECT_GT(n, 800);
}

TEST_F(Reshard, axesOfDifferentSizes) {
  int n = checkAllPairs("a=2,b=3", {6, 5},
                        product({{"_", "6{a}", "6{b}", "6{a,b}", "6{b,a}", "2*3{b}", "3*2{a}", "6{a}/1"},
                                 {"_", "5{a}/5", "5{b}/5", "5{a,b}/5"}},
                                {"", " partial=sum{a}", " partial=max{b}", " partial=sum{b,a}"}));
  EXPECT_GT(n, 600);
}

TEST_F(Reshard, symbolicSizes) {
  Expr batch = Expr::symbol("batch"), heads = Expr::symbol("heads");
  std::vector<std::string> texts =
      product({{"_", "batch{dp}/batch*(heads*4)", "batch*(heads*4){tp}/heads", "batch{dp}/batch*(heads*4){tp}/heads",
                "(batch*heads*4){dp}/(batch*heads)", "batch*heads*4{tp}/4"},
               {"_", "7{tp}/7", "7{dp}/7"}},
              {"", " partial=sum{tp}"});
  for (int64_t b : {1, 3})
    for (int64_t h : {2, 5})
      EXPECT_GT(checkAllPairs("dp=2,tp=3", {batch * heads * Expr(4), 7}, texts, {{"batch", b}, {"heads", h}}), 200);
}

}  // namespace
}  // namespace shardwright
