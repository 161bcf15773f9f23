#include "compiler/analysis/strategy_search.h"

#include <limits>

#include "compiler/analysis/reshard_planner.h"
#include "compiler/analysis/split_symbol.h"
#include "tests/unit/compiler/ops/onnx_fixture.h"

namespace shardwright {
namespace {

class StrategySearchTest : public OnnxTest {
 protected:
  mlir::Value weight(llvm::ArrayRef<int64_t> dims) {
    int64_t count = 1;
    Exprs exprs;
    for (int64_t dim : dims) count *= dim, exprs.push_back(dim);
    auto type = tensorType(&context, exprs, DType::kFloat32);
    std::string name = "w" + std::to_string(numWeights_++);
    return builder.create<WeightOp>(loc(), type, name, "m.onnx", 0, count * 4)->getResult(0);
  }
  mlir::Value result(mlir::Operation* op) { return op->getResult(0); }
  void finish(llvm::ArrayRef<mlir::Value> results) {
    builder.create<mlir::func::ReturnOp>(loc(), results);
    rules = std::make_unique<BlockRules>(*BlockRules::build(block(), facts));
  }
  mlir::Block& block() { return function.front(); }

  SearchResult search(const char* meshText, SearchOptions options = SearchOptions(),
                      SpaceOptions spaceOptions = SpaceOptions()) {
    mesh = *Mesh::parse(meshText);
    Machine machine = *builtInMachine("default_gpu");
    Bindings sizes = {{"batch", 1}, {"sequence", 128}};
    for (const MeshAxis& axis : mesh.axes()) sizes["@" + axis.name] = 0;
    ReshardPlanner planner(mesh, facts, sizes, machine);
    spaceOptions.pins = options.pins;
    spaceOptions.strategies = options.strategies;
    StrategySpace space(block(), *rules, facts, mesh, spaceOptions);
    options.mesh = mesh;
    options.sizes = sizes;
    options.machine = &machine;
    options.reshardSeconds = [&](llvm::ArrayRef<Expr> dims, DType dtype, const Sharding& from, const Sharding& to) {
      return planner.seconds(dims, dtype, from, to);
    };
    return searchStrategies(block(), space, facts, options);
  }

  std::string strategyOf(const AxisStrategies& chosen, mlir::Operation* op) {
    return str(*rules->find(op), chosen.ops.lookup(op), mesh);
  }
  std::string heldAs(const AxisStrategies& chosen, mlir::Value value) { return str(chosen.leaves.lookup(value), mesh); }

  std::unique_ptr<BlockRules> rules;
  Mesh mesh;
  int numWeights_ = 0;
};

// A perceptron; w1 is [36, 144], w2 [144, 36].
class PerceptronTest : public StrategySearchTest {
 protected:
  void SetUp() override {
    x = input({"batch", "sequence", "36"});
    w1 = weight({36, 144});
    w2 = weight({144, 36});
    up = node("MatMul", {x, w1});
    active = node("Relu", {result(up)});
    down = node("MatMul", {result(active), w2});
    sum = node("Add", {result(down), x});
    finish({result(sum)});
  }
  mlir::Value x, w1, w2;
  mlir::Operation *up, *active, *down, *sum;
};

TEST_F(PerceptronTest, splits_columns_then_rows_under_a_limit) {
  for (const char* ranks : {"tp=2", "tp=4"}) {
    SearchResult found = search(ranks);
    EXPECT_EQ(strategyOf(found.strategies, up), "j:{tp}");
    EXPECT_EQ(strategyOf(found.strategies, active), "e0:{tp}");
    EXPECT_EQ(strategyOf(found.strategies, down), "k:{tp}");
    EXPECT_EQ(heldAs(found.strategies, w1), "[_, 144{tp}]");
    EXPECT_EQ(heldAs(found.strategies, w2), "[144{tp}, _]");
    EXPECT_DOUBLE_EQ(found.weightShare, 1.0);
    EXPECT_EQ(found.gap, 0);
  }
}

TEST_F(PerceptronTest, splits_what_does_not_divide) {
  SearchResult found = search("tp=5");
  EXPECT_EQ(strategyOf(found.strategies, up), "j:{tp}/144");
  EXPECT_EQ(strategyOf(found.strategies, down), "k:{tp}/144");
}

TEST_F(PerceptronTest, is_no_slower_without_a_limit) {
  SearchOptions options;
  options.maxWeightShare = std::numeric_limits<double>::infinity();
  EXPECT_LE(search("tp=2", options).seconds, search("tp=2").seconds);
}

TEST_F(PerceptronTest, follows_a_pinned_value) {
  SearchOptions options;
  mesh = *Mesh::parse("tp=2");
  options.pins[result(up)] = {*parseSharding("[_, _, _]", mesh), {}};
  SearchResult found = search("tp=2", options);
  EXPECT_EQ(heldAs(found.strategies, result(up)), "[_, _, _]");
  options.pins[result(up)] = {*parseSharding("[_, sequence{tp}/sequence, _]", mesh), {}};
  found = search("tp=2", options);
  EXPECT_EQ(heldAs(found.strategies, result(up)), "[_, sequence{tp}/sequence, _]");
}

TEST_F(PerceptronTest, follows_a_pinned_weight) {
  SearchOptions options;
  mesh = *Mesh::parse("tp=2");
  options.pins[w1] = {*parseSharding("[36{tp}, _]", mesh), {}};
  SearchResult found = search("tp=2", options);
  EXPECT_EQ(heldAs(found.strategies, w1), "[36{tp}, _]");
}

TEST_F(PerceptronTest, follows_the_strategy_of_a_node) {
  SearchOptions options;
  options.strategies[up] = {0, 2};
  EXPECT_EQ(strategyOf(search("tp=2", options).strategies, up), "k:{tp}");
  options.strategies[up] = {0, 1};
  EXPECT_EQ(strategyOf(search("tp=2", options).strategies, up), "i:{tp}/sequence");
}

TEST_F(PerceptronTest, ties_an_argument_to_a_result) {
  SearchOptions options;
  options.ties = {{0, 0}};
  SearchResult found = search("tp=2", options);
  EXPECT_EQ(str(found.strategies.results[0], mesh), heldAs(found.strategies, x));
}

// Two key and value heads, each read by two query heads: over four ranks a pair of ranks holds one head of K.
TEST_F(StrategySearchTest, splits_fewer_heads_than_ranks_by_a_part_of_the_axis) {
  mlir::Value x = input({"batch", "sequence", "32"});
  mlir::Value wq = weight({32, 32}), wk = weight({32, 16});
  mlir::Operation* q = node("MatMul", {x, wq});
  mlir::Operation* k = node("MatMul", {x, wk});
  auto heads = [&](mlir::Operation* op, std::initializer_list<const char*> dims) {
    return result(node("Reshape", {result(op), shape(dims)}));
  };
  mlir::Value qh = result(node("Transpose", {heads(q, {"batch", "sequence", "4", "8"})}, {attr("perm", {0, 2, 1, 3})}));
  mlir::Value kh =
      result(node("Transpose", {heads(k, {"batch", "sequence", "2", "1", "8"})}, {attr("perm", {0, 2, 3, 4, 1})}));
  mlir::Value wide = result(node("Expand", {kh, shape({"batch", "2", "2", "8", "sequence"})}));
  mlir::Value keys = result(node("Reshape", {wide, shape({"batch", "4", "8", "sequence"})}));
  mlir::Operation* scores = node("MatMul", {qh, keys});
  finish({result(scores)});
  SearchOptions options;
  options.maxWeightShare = 1.5;  // half of wk and a quarter of wq are 4/3 of an even share
  SearchResult found = search("tp=4", options);
  EXPECT_EQ(heldAs(found.strategies, wq), "[_, 32{tp}]");
  EXPECT_EQ(heldAs(found.strategies, wk), "[_, 16{tp:(1)2}]");
  EXPECT_EQ(strategyOf(found.strategies, scores), "e0:{tp}");
}

// One table for the embedding and the logits, whose 101 rows do not divide.
TEST_F(StrategySearchTest, splits_a_tied_table_by_its_rows) {
  mlir::Value ids = input({"batch", "sequence"}, DType::kInt64);
  mlir::Value table = weight({101, 32});
  mlir::Operation* embedding = node("Gather", {table, ids});
  mlir::Operation* transposed = node("Transpose", {table}, {attr("perm", {1, 0})});
  mlir::Operation* logits = node("MatMul", {result(embedding), result(transposed)});
  finish({result(logits)});
  SearchResult found = search("tp=2");
  EXPECT_EQ(heldAs(found.strategies, table), "[101{tp}/101, _]");
  EXPECT_EQ(strategyOf(found.strategies, logits), "j:{tp}/101");
}

class SplitSymbolTest : public StrategySearchTest {
 protected:
  AxisStrategies split(const Pins& pins = Pins()) {
    mesh = *Mesh::parse("tp=3,dp=2");
    return splitSymbol(block(), *rules, facts, mesh, 1, "batch", pins);
  }
};

TEST_F(SplitSymbolTest, follows_the_batch_through_merged_dims) {
  mlir::Value x = input({"batch", "sequence", "36"});
  mlir::Operation* merged = node("Reshape", {x, shape({"batch*sequence", "36"})});
  mlir::Operation* product = node("MatMul", {result(merged), weight({36, 7})});
  mlir::Operation* apart = node("Reshape", {result(product), shape({"batch", "sequence", "7"})});
  finish({result(apart)});
  AxisStrategies chosen = split();
  EXPECT_EQ(heldAs(chosen, x), "[batch{dp}/batch, _, _]");
  EXPECT_EQ(strategyOf(chosen, product), "i:{dp}/batch");
  EXPECT_EQ(str(chosen.results[0], mesh), "[batch{dp}/batch, _, _]");
}

TEST_F(SplitSymbolTest, splits_what_is_made_for_the_batch) {
  mlir::Value bias = input({"1", "sequence"});
  mlir::Operation* wide = node("Expand", {bias, shape({"batch", "sequence"})});
  finish({result(wide)});
  AxisStrategies chosen = split();
  EXPECT_EQ(heldAs(chosen, bias), "[_, _]");
  EXPECT_EQ(str(chosen.results[0], mesh), "[batch{dp}/batch, _]");
}

TEST_F(SplitSymbolTest, prefers_a_factor_of_the_result_over_a_reduced_one) {
  mlir::Value a = input({"batch", "batch"}), b = input({"batch", "5"});
  mlir::Operation* product = node("MatMul", {a, b});
  finish({result(product)});
  EXPECT_EQ(strategyOf(split(), product), "i:{dp}/batch");
}

TEST_F(SplitSymbolTest, gathers_what_must_be_whole) {
  mlir::Value x = input({"batch", "5"});
  mlir::Operation* sums = node("CumSum", {x, index(0)});
  finish({result(sums)});
  AxisStrategies chosen = split();
  EXPECT_EQ(heldAs(chosen, x), "[batch{dp}/batch, _]");
  EXPECT_EQ(strategyOf(chosen, sums), "");
}

TEST_F(SplitSymbolTest, obeys_pins) {
  mlir::Value x = input({"batch", "5"});
  mlir::Operation* y = node("Relu", {x});
  mlir::Operation* z = node("Exp", {result(y)});
  finish({result(z)});
  mesh = *Mesh::parse("tp=3,dp=2");
  Pins pins;
  pins[result(y)] = {*parseSharding("[_, 5{dp}/5]", mesh), {}};
  AxisStrategies chosen = split(pins);
  EXPECT_EQ(strategyOf(chosen, y), "e1:{dp}/batch");
  EXPECT_EQ(heldAs(chosen, result(y)), "[_, 5{dp}/5]");
  EXPECT_EQ(strategyOf(chosen, z), "e0:{dp}/5");
}

}  // namespace
}  // namespace shardwright
