#include "compiler/analysis/stage_clusters.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <queue>
#include <set>

namespace shardwright {
namespace {

// Ticks are chosen so that the sum of all seconds and of all possible transfers has 44 bits: a product with the number of
// microbatches then fits 64.
Ticks clockOf(const StageGraph& graph, const StageCutOptions& options) {
  double total = 0;
  for (const auto& node : graph.nodes) total += node.seconds;
  for (const auto& value : graph.values) total += transferSeconds(value, options) * options.numStages;
  return {total > 0 ? std::ldexp(1.0, 44) / total : 1};
}

std::vector<std::set<int>> edgesOf(const StageGraph& graph, const std::vector<int>& clusterOf, int numClusters) {
  std::vector<std::set<int>> successors(numClusters);
  for (const auto& value : graph.values)
    if (value.producer >= 0)
      for (int c : value.consumers)
        if (clusterOf[c] != clusterOf[value.producer]) successors[clusterOf[value.producer]].insert(clusterOf[c]);
  return successors;
}

// Renumbers clusters so that every edge goes upwards, otherwise by their first member.
void sortClusters(const StageGraph& graph, std::vector<int>& clusterOf, int numClusters) {
  std::vector<std::set<int>> successors = edgesOf(graph, clusterOf, numClusters);
  std::vector<int> first(numClusters, -1), waiting(numClusters, 0), rank(numClusters);
  for (size_t n = 0; n < clusterOf.size(); ++n)
    if (first[clusterOf[n]] < 0) first[clusterOf[n]] = n;
  for (const auto& s : successors)
    for (int c : s) ++waiting[c];
  std::priority_queue<std::pair<int, int>, std::vector<std::pair<int, int>>, std::greater<>> ready;
  for (int c = 0; c < numClusters; ++c)
    if (!waiting[c]) ready.push({first[c], c});
  for (int next = 0; !ready.empty(); ++next) {
    int c = ready.top().second;
    ready.pop();
    rank[c] = next;
    for (int s : successors[c])
      if (!--waiting[s]) ready.push({first[s], s});
  }
  for (int& c : clusterOf) c = rank[c];
}

// earliest and latest from the pins, along the edges in both directions.
void spreadPins(const StageGraph& graph, const StageCutOptions& options, StageClusters& clusters) {
  clusters.earliest.assign(clusters.size(), 0);
  clusters.latest.assign(clusters.size(), options.numStages - 1);
  for (int c = 0; c < clusters.size(); ++c)
    for (int n : clusters.members[c])
      if (int pin = graph.nodes[n].pin; pin >= 0) {
        clusters.earliest[c] = std::max(clusters.earliest[c], pin);
        clusters.latest[c] = std::min(clusters.latest[c], pin);
      }
  for (int c = 0; c < clusters.size(); ++c)
    for (int p : clusters.dag.predecessors[c])
      clusters.earliest[c] = std::max(clusters.earliest[c], clusters.earliest[p]);
  for (int c = clusters.size(); c-- > 0;)
    for (int s : clusters.dag.successors[c]) clusters.latest[c] = std::min(clusters.latest[c], clusters.latest[s]);
}

StageClusters build(const StageGraph& graph, const StageCutOptions& options, std::vector<int> clusterOf,
                    int numClusters) {
  sortClusters(graph, clusterOf, numClusters);
  StageClusters clusters;
  clusters.clock = clockOf(graph, options);
  clusters.members.resize(numClusters);
  clusters.ticks.assign(numClusters, 0);
  for (size_t n = 0; n < clusterOf.size(); ++n) {
    clusters.members[clusterOf[n]].push_back(n);
    clusters.ticks[clusterOf[n]] += clusters.clock.of(graph.nodes[n].seconds);
  }
  clusters.dag.predecessors.resize(numClusters);
  clusters.dag.successors.resize(numClusters);
  std::vector<std::set<int>> successors = edgesOf(graph, clusterOf, numClusters);
  for (int c = 0; c < numClusters; ++c)
    for (int s : successors[c]) {
      clusters.dag.successors[c].push_back(s);
      clusters.dag.predecessors[s].push_back(c);
    }
  for (const auto& value : graph.values) {
    if (value.producer < 0) continue;
    std::set<int> consumers;
    for (int c : value.consumers) consumers.insert(clusterOf[c]);
    consumers.erase(clusterOf[value.producer]);
    if (!consumers.empty())
      clusters.values.push_back({clusterOf[value.producer],
                                 {consumers.begin(), consumers.end()},
                                 clusters.clock.of(transferSeconds(value, options)),
                                 value.liveBytes});
  }
  spreadPins(graph, options, clusters);
  return clusters;
}

// Clusters while they grow; a cluster is named by one of its nodes.
class Merging {
 public:
  Merging(const StageGraph& graph, const StageCutOptions& options, double maxSeconds)
      : graph_(graph), options_(options), maxSeconds_(maxSeconds), parent_(graph.nodes.size()) {
    std::iota(parent_.begin(), parent_.end(), 0);
    reads_.resize(parent_.size());
    writes_.resize(parent_.size());
    for (size_t v = 0; v < graph.values.size(); ++v) {
      const auto& value = graph.values[v];
      if (value.producer < 0) continue;
      writes_[value.producer].push_back(v);
      for (int c : std::set<int>(value.consumers.begin(), value.consumers.end())) reads_[c].push_back(v);
    }
  }

  void run() {
    for (int n = parent_.size(); n-- > 0;)
      if (isCheap(n)) mergeIntoOnlyConsumer(n);
    for (size_t n = 0; n < parent_.size(); ++n)
      if (isCheap(n) && isAlone(n)) mergeIntoOnlyProducer(n);
  }

  StageClusters clusters() {
    std::vector<int> clusterOf(parent_.size()), number(parent_.size(), -1);
    int next = 0;
    for (size_t n = 0; n < parent_.size(); ++n) {
      int root = find(n);
      if (number[root] < 0) number[root] = next++;
      clusterOf[n] = number[root];
    }
    StageClusters result = build(graph_, options_, std::move(clusterOf), next);
    result.penaltySeconds = penalty_;
    return result;
  }

 private:
  int find(int n) {
    while (parent_[n] != n) n = parent_[n] = parent_[parent_[n]];
    return n;
  }
  bool isCheap(int n) const { return graph_.nodes[n].pin < 0 && graph_.nodes[n].seconds <= maxSeconds_; }
  bool isAlone(int n) { return find(n) == n && !grown_.count(n); }
  double cost(int v) const { return transferSeconds(graph_.values[v], options_); }

  void merge(int n, int into, double moreTransferSeconds) {
    penalty_ += (options_.microbatches - 1) * graph_.nodes[n].seconds +
                options_.microbatches * std::max(0.0, moreTransferSeconds);
    parent_[n] = find(into);
    grown_.insert(find(into));
  }

  void mergeIntoOnlyConsumer(int n) {
    std::set<int> consumers;
    double out = 0, in = 0;
    for (int v : writes_[n]) {
      for (int c : graph_.values[v].consumers) consumers.insert(find(c));
      if (!graph_.values[v].consumers.empty()) out += cost(v);
    }
    for (int v : reads_[n]) in += cost(v);
    if (consumers.size() == 1 && in - out <= maxSeconds_) merge(n, *consumers.begin(), in - out);
  }

  void mergeIntoOnlyProducer(int n) {
    std::set<int> producers;
    double out = 0, in = 0;
    for (int v : reads_[n]) {
      const auto& value = graph_.values[v];
      producers.insert(find(value.producer));
      if (std::all_of(value.consumers.begin(), value.consumers.end(), [&](int c) { return c == n; })) in += cost(v);
    }
    for (int v : writes_[n])
      if (!graph_.values[v].consumers.empty()) out += cost(v);
    if (producers.size() == 1 && out - in <= maxSeconds_) merge(n, *producers.begin(), out - in);
  }

  const StageGraph& graph_;
  const StageCutOptions& options_;
  double maxSeconds_;
  std::vector<int> parent_;
  std::vector<std::vector<int>> reads_, writes_;
  std::set<int> grown_;
  double penalty_ = 0;
};

}  // namespace

double transferSeconds(const StageGraph::Value& value, const StageCutOptions& options) {
  return value.bytes > 0 ? options.latencySeconds + value.bytes / options.bytesPerSecond : 0;
}

StageClusters oneOpPerCluster(const StageGraph& graph, const StageCutOptions& options) {
  std::vector<int> clusterOf(graph.nodes.size());
  std::iota(clusterOf.begin(), clusterOf.end(), 0);
  return build(graph, options, std::move(clusterOf), graph.nodes.size());
}

StageClusters mergeCheapOps(const StageGraph& graph, const StageCutOptions& options, double maxSeconds) {
  Merging merging(graph, options, maxSeconds);
  merging.run();
  return merging.clusters();
}

StageClusters inOneLine(const StageGraph& graph, const StageCutOptions& options) {
  StageClusters clusters = oneOpPerCluster(graph, options);
  // By the last stage that pins leave, so that the line goes against no pin; along an edge it never falls.
  std::vector<int> order(clusters.size()), clusterOf(clusters.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](int a, int b) {
    return std::make_pair(clusters.latest[a], a) < std::make_pair(clusters.latest[b], b);
  });
  StageGraph line = graph;
  for (size_t i = 1; i < order.size(); ++i) line.values.push_back({order[i - 1], {order[i]}, 0, 0, false});
  std::iota(clusterOf.begin(), clusterOf.end(), 0);
  return build(line, options, std::move(clusterOf), clusters.size());
}

}  // namespace shardwright
