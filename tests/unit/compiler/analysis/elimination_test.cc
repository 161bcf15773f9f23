#include "compiler/analysis/elimination.h"

#include <gtest/gtest.h>

#include <random>

namespace shardwright {
namespace {

double bruteForce(const CostGraph& graph) {
  std::vector<int> states(graph.numVariables(), 0);
  double best = graph.costOf(states);
  while (true) {
    int v = 0;
    while (v < graph.numVariables() && ++states[v] == graph.numStates(v)) states[v++] = 0;
    if (v == graph.numVariables()) return best;
    best = std::min(best, graph.costOf(states));
  }
}

CostGraph randomGraph(std::mt19937& random, int numVariables, int numEdges) {
  std::uniform_int_distribution<int> numStates(1, 4), variable(0, numVariables - 1);
  std::uniform_real_distribution<double> cost(0, 10);
  CostGraph graph;
  for (int v = 0; v < numVariables; ++v) {
    std::vector<double> costs(numStates(random));
    for (double& c : costs) c = cost(random);
    graph.addVariable(costs);
  }
  for (int e = 0; e < numEdges; ++e) {
    int a = variable(random), b = variable(random);
    if (a == b) continue;
    std::vector<double> table(graph.numStates(a) * graph.numStates(b));
    for (double& c : table) c = cost(random);
    graph.addEdge(a, b, table);
  }
  return graph;
}

TEST(Elimination, equals_brute_force_on_random_graphs) {
  const int seed = 7;
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int i = 0; i < 200; ++i) {
    CostGraph graph = randomGraph(random, 1 + i % 8, i % 14);
    CostGraph::Solution solution = graph.minimize();
    EXPECT_NEAR(solution.cost, bruteForce(graph), 1e-9);
    EXPECT_EQ(solution.gap, 0);
  }
}

TEST(Elimination, says_that_it_is_not_exact_where_tables_are_too_large) {
  std::mt19937 random(3);
  CostGraph graph = randomGraph(random, 8, 40);
  CostGraph::Solution solution = graph.minimize(/*maxTableEntries=*/8);
  EXPECT_GT(solution.gap, 0);
  EXPECT_GE(solution.cost, bruteForce(graph) - 1e-9);
}

TEST(Elimination, ties_go_to_the_lower_state) {
  CostGraph graph;
  int a = graph.addVariable({1, 1, 1}), b = graph.addVariable({2, 2});
  graph.addEdge(a, b, {0, 0, 0, 0, 0, 0});
  EXPECT_EQ(graph.minimize().states, (std::vector<int>{0, 0}));
}

}  // namespace
}  // namespace shardwright
