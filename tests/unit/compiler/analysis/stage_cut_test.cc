#include "compiler/analysis/stage_cut.h"

#include <gtest/gtest.h>

#include <chrono>
#include <random>

namespace shardwright {
namespace {

using Graph = StageGraph;

// All cuts, through costOfStages alone.
struct BruteForce {
  const Graph& graph;
  const StageCutOptions& options;
  std::vector<int> stageOf;
  double best = -1;
  int64_t smallestLimit = -1;  // over cuts that keep the pins

  void run(size_t node = 0) {
    if (node == graph.nodes.size()) return visit();
    int lowest = 0;
    for (const auto& value : graph.values)
      if (value.producer >= 0 && std::count(value.consumers.begin(), value.consumers.end(), node))
        lowest = std::max(lowest, stageOf[value.producer]);
    for (int s = lowest; s < options.numStages; ++s) {
      if (graph.nodes[node].pin >= 0 && graph.nodes[node].pin != s) continue;
      stageOf.push_back(s);
      run(node + 1);
      stageOf.pop_back();
    }
  }

  void visit() {
    // costOfStages is slow; a cut with an empty stage is none.
    std::vector<bool> used(options.numStages, false);
    for (int s : stageOf) used[s] = true;
    if (static_cast<int>(graph.nodes.size()) >= options.numStages && std::count(used.begin(), used.end(), false))
      return;
    StageCut cut = costOfStages(graph, options, stageOf);
    int64_t memory = 0;
    for (const StageCost& stage : cut.stages) memory = std::max(memory, stage.memoryBytes());
    if (smallestLimit < 0 || memory < smallestLimit) smallestLimit = memory;
    if (options.memoryLimit && memory > options.memoryLimit) return;
    if (best < 0 || cut.seconds < best) best = cut.seconds;
  }
};

Graph randomGraph(std::mt19937& random, int numNodes) {
  auto upTo = [&](int n) { return static_cast<int>(random() % n); };
  Graph graph;
  for (int n = 0; n < numNodes; ++n)
    graph.nodes.push_back({"op" + std::to_string(n), upTo(5) ? 1 + upTo(20) / 2.0 : 0, -1});
  int reach = 1 + upTo(6);  // how far edges go: near a chain, or wide
  for (int n = 0; n < numNodes; ++n)
    for (int v = 0; v < 1 + (upTo(4) == 0); ++v) {
      Graph::Value value{n, {}, upTo(6) ? 1.0 + upTo(9) : 0, 1 + upTo(30), upTo(8) == 0};
      for (int c = n + 1; c < numNodes; ++c)
        if (c <= n + reach ? upTo(3) == 0 : upTo(12) == 0) value.consumers.push_back(c);
      graph.values.push_back(value);
    }
  graph.values.push_back({-1, {0, numNodes - 1}, 50, 7, false});
  for (int k = 0; k < numNodes; ++k) {
    Graph::Constant constant{1 + upTo(100), {upTo(numNodes)}};
    if (upTo(3) == 0) constant.users.push_back(upTo(numNodes));
    graph.constants.push_back(constant);
  }
  return graph;
}

// Mostly upwards along the graph, sometimes against it.
void pinSome(std::mt19937& random, Graph& graph, int numStages) {
  for (size_t n = 0; n < graph.nodes.size(); ++n)
    if (random() % 6 == 0)
      graph.nodes[n].pin = random() % 20 ? numStages * n / graph.nodes.size() : random() % numStages;
}

void expectValid(const Graph& graph, const StageCutOptions& options, const StageCut& cut) {
  for (const auto& value : graph.values)
    for (int c : value.consumers) EXPECT_LE(value.producer < 0 ? 0 : cut.stageOf[value.producer], cut.stageOf[c]);
  for (size_t n = 0; n < graph.nodes.size(); ++n)
    EXPECT_TRUE(graph.nodes[n].pin < 0 || cut.stageOf[n] == graph.nodes[n].pin);
  for (const StageCost& stage : cut.stages) {
    EXPECT_TRUE(static_cast<int>(graph.nodes.size()) < options.numStages || stage.numNodes > 0);
    EXPECT_TRUE(options.memoryLimit == 0 || stage.memoryBytes() <= options.memoryLimit);
  }
}

TEST(StageCut, equals_brute_force_on_random_graphs) {
  std::mt19937 random(20250);
  int numCuts = 0, numRefused = 0;
  for (int i = 0; i < 700; ++i) {
    SCOPED_TRACE("graph " + std::to_string(i));
    int numNodes = i < 670 ? 2 + random() % 8 : 10 + random() % 5;
    StageCutOptions options;
    options.numStages = 2 + random() % (numNodes > 12 ? 2 : 3);
    options.microbatches = i % 4 == 0 ? 1 : 2 + random() % 9;
    options.latencySeconds = random() % 2 * 0.25;
    options.bytesPerSecond = 1 + random() % 8;
    Graph graph = randomGraph(random, numNodes);
    if (i % 2) pinSome(random, graph, options.numStages);
    BruteForce unlimited{graph, options, {}};
    unlimited.run();
    if (i % 3 == 0 && unlimited.smallestLimit > 0)  // from a little too small to ample
      options.memoryLimit = unlimited.smallestLimit * (95 + random() % 40) / 100;
    BruteForce brute{graph, options, {}};
    brute.run();
    StatusOr<StageCut> cut = cutStages(graph, options);
    ASSERT_EQ(cut.ok(), brute.best >= 0) << (cut.ok() ? "" : cut.status().message());
    if (!cut.ok()) {
      ++numRefused;
      std::string expected =
          brute.smallestLimit >= 0 ? "can be met is " + std::to_string(brute.smallestLimit) + ";" : "pin";
      EXPECT_NE(cut.status().message().find(expected), std::string::npos)
          << cut.status().message() << "\nexpected: " << expected;
      continue;
    }
    ++numCuts;
    EXPECT_TRUE(cut->exact);
    EXPECT_NEAR(cut->seconds, brute.best, 1e-9 * brute.best + 1e-9);
    expectValid(graph, options, *cut);
    EXPECT_EQ(cutStages(graph, options)->stageOf, cut->stageOf);
  }
  EXPECT_GE(numCuts, 500);
  EXPECT_GE(numRefused, 30);
}

// With few down-sets allowed, ops are merged: what is found is a cut, and the true optimum lies within the stated bound.
TEST(StageCut, merged_graphs_bound_the_optimum) {
  std::mt19937 random(77);
  int numBounded = 0, numExact = 0;
  for (int i = 0; i < 400; ++i) {
    SCOPED_TRACE("graph " + std::to_string(i));
    int numNodes = 6 + random() % 6;
    StageCutOptions options;
    options.numStages = 2 + random() % 2;
    options.microbatches = 1 + random() % 6;
    options.bytesPerSecond = 1 + random() % 8;
    options.maxDownSets = 5 + random() % 40;
    Graph graph = randomGraph(random, numNodes);
    for (auto& node : graph.nodes)
      if (random() % 2) node.seconds *= 1e-3;
    if (i % 3 == 0) pinSome(random, graph, options.numStages);
    BruteForce unlimited{graph, options, {}};
    unlimited.run();
    if (i % 2 && unlimited.smallestLimit > 0) options.memoryLimit = unlimited.smallestLimit * 13 / 10;
    BruteForce brute{graph, options, {}};
    brute.run();
    StatusOr<StageCut> cut = cutStages(graph, options);
    if (!cut.ok()) continue;
    expectValid(graph, options, *cut);
    EXPECT_GE(cut->seconds, brute.best - 1e-9);
    EXPECT_LE(cut->lowerBound, brute.best + 1e-9);
    EXPECT_TRUE(!cut->exact || cut->seconds < brute.best * (1 + 1e-9) + 1e-9);
    (cut->exact ? numExact : numBounded) += 1;
  }
  EXPECT_GE(numBounded, 100);
  EXPECT_GE(numExact, 50);
}

// A layer as exporters write it: norm, q/k/v branches of three ops each, scores under a mask, a gated feed-forward block.
class Transformer {
 public:
  Graph graph;

  explicit Transformer(int numLayers, bool hasSideChains) {
    int embedding = weight(50257 * 1600 * 2);
    int hidden = op("embed", 1e-5, {}, kHidden, embedding);
    int mask = op("mask.shape", 0, {}, 8);
    for (const char* part : {"mask.range", "mask.less", "mask.cast", "mask.expand"})
      mask = op(part, 1e-6, {mask}, 128 * 128 * 4);
    for (int l = 0; l < numLayers; ++l) {
      std::string layer = "h." + std::to_string(l) + ".";
      int own = mask;
      if (hasSideChains)
        for (const char* part : {"slice", "unsqueeze"}) own = op(layer + part, 0, {own}, 128 * 128 * 4);
      hidden = addLayer(layer, hidden, own);
    }
    int normed = op("norm", 2e-5, {hidden}, kHidden, weight(6400));
    graph.values[op("logits", 9e-4, {normed}, 128 * 50257 * 2, embedding)].isOutput = true;
  }

 private:
  static constexpr double kHidden = 128 * 1600 * 2;

  int weight(int64_t bytes) {
    graph.constants.push_back({bytes, {}});
    return graph.constants.size() - 1;
  }

  int op(const std::string& name, double seconds, const std::vector<int>& operands, double bytes, int weight = -1) {
    int node = graph.nodes.size();
    graph.nodes.push_back({name, seconds, -1});
    for (int v : operands) graph.values[v].consumers.push_back(node);
    if (weight >= 0) graph.constants[weight].users.push_back(node);
    graph.values.push_back({node, {}, bytes, static_cast<int64_t>(bytes), false});
    return graph.values.size() - 1;
  }

  int addLayer(const std::string& layer, int hidden, int mask) {
    int normed = op(layer + "ln1", 2e-5, {hidden}, kHidden, weight(6400));
    int heads[3];
    for (int b = 0; b < 3; ++b) {
      std::string branch = layer + "qkv"[b] + ".";
      int x = op(branch + "matmul", 3e-4, {normed}, kHidden, weight(1600 * 1600 * 2));
      x = op(branch + "bias", 1e-5, {x}, kHidden, weight(3200));
      x = op(branch + "reshape", 0, {x}, kHidden);
      heads[b] = op(branch + "transpose", 1e-5, {x}, kHidden);
    }
    int scores = op(layer + "scores", 1e-4, {heads[0], heads[1]}, 4 * kHidden);
    scores = op(layer + "scale", 1e-5, {scores}, 4 * kHidden);
    scores = op(layer + "masked", 1e-5, {scores, mask}, 4 * kHidden);
    scores = op(layer + "softmax", 3e-5, {scores}, 4 * kHidden);
    int x = op(layer + "mix", 1e-4, {scores, heads[2]}, kHidden);
    x = op(layer + "back", 1e-5, {x}, kHidden);
    x = op(layer + "merge", 0, {x}, kHidden);
    x = op(layer + "proj", 3e-4, {x}, kHidden, weight(1600 * 1600 * 2));
    hidden = op(layer + "add1", 1e-5, {hidden, x}, kHidden);
    normed = op(layer + "ln2", 2e-5, {hidden}, kHidden, weight(6400));
    int gate = op(layer + "gate", 8e-4, {normed}, 4 * kHidden, weight(1600 * 6400 * 2));
    int up = op(layer + "up", 8e-4, {normed}, 4 * kHidden, weight(1600 * 6400 * 2));
    gate = op(layer + "sigmoid", 2e-5, {gate}, 4 * kHidden);
    x = op(layer + "mul", 2e-5, {gate, up}, 4 * kHidden);
    x = op(layer + "down", 8e-4, {x}, kHidden, weight(6400 * 1600 * 2));
    return op(layer + "add2", 1e-5, {hidden, x}, kHidden);
  }
};

StageCut timedCut(const char* what, const Graph& graph, const StageCutOptions& options) {
  auto start = std::chrono::steady_clock::now();
  StatusOr<StageCut> cut = cutStages(graph, options);
  std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
  EXPECT_TRUE(cut.ok()) << cut.status().message();
  double sum = 0, longest = 0, shortest = 1e9;
  for (const StageCost& stage : cut->stages) {
    sum += stage.seconds();
    longest = std::max(longest, stage.seconds());
    shortest = std::min(shortest, stage.seconds());
  }
  printf("%s: %zu ops, %d stages in %.3f s; stages of %.6g to %.6g s, %.6g s in all, at least %.6g s%s\n", what,
         graph.nodes.size(), options.numStages, taken.count(), shortest, longest, cut->seconds, cut->lowerBound,
         cut->exact ? " (exact)" : "");
  expectValid(graph, options, *cut);
  return *cut;
}

TEST(StageCut, transformer_of_96_layers_on_16_stages) {
  Transformer model(96, /*hasSideChains=*/false);
  StageCutOptions options;
  options.numStages = 16;
  options.microbatches = 8;
  options.latencySeconds = 5e-6;
  options.bytesPerSecond = 1e10;
  StageCut cut = timedCut("no limit", model.graph, options);
  EXPECT_TRUE(cut.exact);
  int64_t most = 0;
  for (const StageCost& stage : cut.stages) most = std::max(most, stage.memoryBytes());
  // The first and the last stage hold the embedding; a limit at which they must give up layers.
  options.memoryLimit = most * 98 / 100;
  StageCut limited = timedCut("memory limit", model.graph, options);
  EXPECT_TRUE(limited.exact);
  EXPECT_GT(limited.seconds, cut.seconds);
  options.memoryLimit = 0;
  options.microbatches = 1;
  // Nothing asks for balance, so nothing bounds the search but its limit of pairs.
  StageCut single = timedCut("one microbatch", model.graph, options);
  EXPECT_LE(single.seconds, single.lowerBound * 1.01);
}

// 3^48 down-sets: views without time go to their consumers, which loses nothing.
TEST(StageCut, transformer_with_a_side_chain_in_every_layer) {
  Transformer model(48, /*hasSideChains=*/true);
  StageCutOptions options;
  options.numStages = 8;
  options.microbatches = 8;
  options.latencySeconds = 5e-6;
  options.bytesPerSecond = 1e10;
  StageCut cut = timedCut("side chains", model.graph, options);
  EXPECT_LE(cut.seconds, cut.lowerBound * 1.001);
}

Graph chain(std::vector<double> seconds) {
  Graph graph;
  for (double s : seconds) graph.nodes.push_back({"n" + std::to_string(graph.nodes.size()), s, -1});
  for (size_t n = 0; n + 1 < seconds.size(); ++n)
    graph.values.push_back({static_cast<int>(n), {static_cast<int>(n) + 1}, 1, 1, false});
  return graph;
}

TEST(StageCut, pins_that_go_backwards_name_both_nodes) {
  Graph graph = chain({1, 1, 1});
  graph.nodes[0].pin = 2;
  graph.nodes[2].pin = 1;
  StageCutOptions options;
  options.numStages = 3;
  Status status = cutStages(graph, options).status();
  EXPECT_EQ(status.code(), StatusCode::kUserError);
  EXPECT_EQ(
      status.message(),
      "node 'n2' is pinned to stage 1, and node 'n0', whose result it needs, to stage 2; allowed: no stage before "
      "that of what a node needs; change one of the two pins");
  graph.nodes[2].pin = 3;
  EXPECT_EQ(cutStages(graph, options).status().message(),
            "node 'n2' is pinned to stage 3; the mesh has 3 stages, allowed: 0 to 2");
  graph.nodes[2].pin = 2;
  EXPECT_EQ(cutStages(graph, options).status().message(),
            "the pins leave no node for stage 0 of 3; pin fewer nodes to other stages, or use fewer stages");
}

TEST(StageCut, tied_weight_counts_in_both_stages) {
  Graph graph = chain({1, 1, 1, 1});
  graph.constants = {{100, {0, 3}}, {10, {1}}};
  StageCutOptions options;
  options.numStages = 2;
  options.microbatches = 4;
  StageCut cut = *cutStages(graph, options);
  EXPECT_EQ(cut.stageOf, (std::vector<int>{0, 0, 1, 1}));
  EXPECT_EQ(cut.stages[0].weightBytes, 110);
  EXPECT_EQ(cut.stages[1].weightBytes, 100);
  EXPECT_EQ(cut.stages[0].activationBytes, 2);
  options.memoryLimit = 109;
  EXPECT_EQ(
      cutStages(graph, options).status().message(),
      "no cut into 2 stages keeps every rank within 109 bytes of weights and live values; the smallest limit that "
      "can be met is 112; allow more memory, use more stages, or split further within a stage");
  options.numStages = 3;
  graph.nodes[3].seconds = 2;
  EXPECT_EQ(cutStages(graph, options)->stageOf, (std::vector<int>{0, 1, 1, 2}));
}

TEST(StageCut, value_is_sent_once_to_each_stage_that_needs_it) {
  Graph graph = chain({1, 1, 1, 1});
  graph.values.push_back({0, {1, 2, 3}, 6, 5, false});
  StageCutOptions options;
  options.numStages = 3;
  options.bytesPerSecond = 2;
  options.latencySeconds = 0.25;
  StageCut cut = costOfStages(graph, options, {0, 1, 1, 2});
  EXPECT_EQ(cut.stages[0].receiveSeconds, 0);
  EXPECT_EQ(cut.stages[1].receiveSeconds, 0.25 + 0.5 + 0.25 + 3);  // n0's two values
  EXPECT_EQ(cut.stages[2].receiveSeconds, 0.25 + 0.5 + 0.25 + 3);  // n2's, and n0's second straight from stage 0
  EXPECT_EQ(cut.stages[1].activationBytes, 1 + 5 + 1);
}

TEST(StageCut, fewer_ops_than_stages) {
  StageCutOptions options;
  options.numStages = 4;
  options.microbatches = 3;
  Graph graph = chain({2, 3});
  EXPECT_EQ(cutStages(graph, options)->seconds, 2 + 3 + 1e-9 + 2 * (3 + 1e-9));
  EXPECT_EQ(cutStages(Graph(), options)->stages.size(), 4u);
}

}  // namespace
}  // namespace shardwright
