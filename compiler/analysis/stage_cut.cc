#include "compiler/analysis/stage_cut.h"

#include <algorithm>
#include <cassert>

#include "compiler/analysis/stage_search.h"

namespace shardwright {
namespace {

std::string quoted(const std::string& name) { return "'" + name + "'"; }

Status checkPins(const StageGraph& graph, const StageCutOptions& options) {
  // By node: the pinned node with the latest stage among it and what it needs.
  std::vector<int> latest(graph.nodes.size(), -1);
  std::vector<std::vector<int>> needs(graph.nodes.size());
  for (const auto& value : graph.values)
    for (int c : value.consumers) {
      assert(value.producer < c && "nodes are in a topological order");
      if (value.producer >= 0) needs[c].push_back(value.producer);
    }
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    int pin = graph.nodes[n].pin;
    if (pin >= options.numStages)
      return userError("node " + quoted(graph.nodes[n].name) + " is pinned to stage " + std::to_string(pin) +
                       "; the mesh has " + std::to_string(options.numStages) + " stages, allowed: 0 to " +
                       std::to_string(options.numStages - 1));
    for (int p : needs[n])
      if (latest[p] >= 0 && (latest[n] < 0 || graph.nodes[latest[p]].pin > graph.nodes[latest[n]].pin))
        latest[n] = latest[p];
    if (pin < 0) continue;
    if (latest[n] >= 0 && graph.nodes[latest[n]].pin > pin)
      return userError("node " + quoted(graph.nodes[n].name) + " is pinned to stage " + std::to_string(pin) +
                       ", and node " + quoted(graph.nodes[latest[n]].name) + ", whose result it needs, to stage " +
                       std::to_string(graph.nodes[latest[n]].pin) +
                       "; allowed: no stage before that of what a node needs; change one of the two pins");
    latest[n] = n;
  }
  return {};
}

Status noCutWithoutEmptyStage(const StageClusters& clusters, const StageCutOptions& options) {
  for (int s = 0; s < options.numStages; ++s) {
    bool isPossible = false;
    for (int c = 0; c < clusters.size(); ++c) isPossible |= clusters.earliest[c] <= s && s <= clusters.latest[c];
    if (!isPossible)
      return userError("the pins leave no node for stage " + std::to_string(s) + " of " +
                       std::to_string(options.numStages) + "; pin fewer nodes to other stages, or use fewer stages");
  }
  return userError("the pins leave no cut into " + std::to_string(options.numStages) +
                   " stages of which none is empty; pin fewer nodes, or use fewer stages");
}

bool hasEmptyStage(const StageCut& cut) {
  return std::any_of(cut.stages.begin(), cut.stages.end(), [](const StageCost& stage) { return stage.numNodes == 0; });
}

bool fits(const StageCut& cut, const StageCutOptions& options) {
  return options.memoryLimit == 0 || std::all_of(cut.stages.begin(), cut.stages.end(), [&](const StageCost& stage) {
           return stage.memoryBytes() <= options.memoryLimit;
         });
}

// What the search sees, from exact to coarse, until it has few enough down-sets.
struct View {
  StageClusters clusters;
  DownSets sets;
  enum class Kind { kWhole, kMerged, kLine } kind = Kind::kWhole;
};

View chooseView(const StageGraph& graph, const StageCutOptions& options, int64_t maxDownSets) {
  auto setsOf = [&](const StageClusters& clusters, int64_t maxSets) {
    // A set takes 3 bits per cluster.
    int64_t budget = (int64_t{1} << 31) / (clusters.size() + 1);
    return DownSets::enumerate(clusters.dag, clusters.ticks, std::min(maxSets, budget));
  };
  StageClusters whole = oneOpPerCluster(graph, options);
  if (auto sets = setsOf(whole, maxDownSets)) return {std::move(whole), std::move(*sets), View::Kind::kWhole};
  double mean = 0;
  for (const auto& node : graph.nodes) mean += node.seconds / options.numStages;
  for (double part : {0.0, 1e-4, 1e-3, 1e-2}) {
    StageClusters merged = mergeCheapOps(graph, options, part * mean);
    if (merged.size() < options.numStages) break;
    if (auto sets = setsOf(merged, maxDownSets)) return {std::move(merged), std::move(*sets), View::Kind::kMerged};
  }
  StageClusters line = inOneLine(graph, options);
  DownSets sets = *setsOf(line, graph.nodes.size() + 1);
  return {std::move(line), std::move(sets), View::Kind::kLine};
}

// Σ + (M - 1) · max without any transfer, and stages that could be cut anywhere but within an op.
double boundFromTime(const StageGraph& graph, const StageCutOptions& options) {
  double total = 0, longest = 0;
  for (const auto& node : graph.nodes) {
    total += node.seconds;
    longest = std::max(longest, node.seconds);
  }
  return total + (options.microbatches - 1) * std::max(longest, total / options.numStages);
}

}  // namespace

StageCut costOfStages(const StageGraph& graph, const StageCutOptions& options, std::vector<int> stageOf) {
  StageCut cut;
  cut.stages.resize(options.numStages);
  std::vector<std::vector<int>> nodes(options.numStages);
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    nodes[stageOf[n]].push_back(n);
    cut.stages[stageOf[n]].computeSeconds += graph.nodes[n].seconds;
  }
  for (const auto& value : graph.values) {
    if (value.producer < 0) continue;
    std::vector<bool> needs(options.numStages, false);
    for (int c : value.consumers) needs[stageOf[c]] = true;
    needs[stageOf[value.producer]] = false;
    for (int s = 0; s < options.numStages; ++s)
      if (needs[s]) cut.stages[s].receiveSeconds += transferSeconds(value, options);
  }
  StageMemory memory(graph);
  double sum = 0, longest = 0;
  for (int s = 0; s < options.numStages; ++s) {
    StageMemory::Bytes bytes = memory.of(nodes[s]);
    cut.stages[s].weightBytes = bytes.weights;
    cut.stages[s].activationBytes = bytes.activations;
    cut.stages[s].numNodes = nodes[s].size();
    sum += cut.stages[s].seconds();
    longest = std::max(longest, cut.stages[s].seconds());
  }
  cut.stageOf = std::move(stageOf);
  cut.seconds = sum + (options.microbatches - 1) * longest;
  return cut;
}

// The best cut that the view shows; nothing if the search was given up.
static std::optional<StatusOr<StageCut>> cutWithin(const View& view, const StageGraph& graph,
                                                   const StageCutOptions& options) {
  EmptyStages empty =
      static_cast<int>(graph.nodes.size()) < options.numStages ? EmptyStages::kAllowed : EmptyStages::kRefused;
  StageSearch search(graph, view.clusters, view.sets, options,
                     view.kind == View::Kind::kLine ? StageSearch::Effort::kAll : StageSearch::Effort::kBounded);
  double lowerBound = boundFromTime(graph, options);
  if (view.kind == View::Kind::kMerged) {
    // Without limit and with empty stages allowed, the merged optimum bounds the true one; often it is a valid cut itself.
    auto relaxed = search.fastest(EmptyStages::kAllowed, /*memoryLimit=*/0);
    if (search.gaveUp()) return std::nullopt;
    assert(relaxed && "pins do not contradict each other");
    StageCut cut = costOfStages(graph, options, std::move(relaxed->stageOf));
    if (relaxed->isProven) lowerBound = std::max(lowerBound, cut.seconds - view.clusters.penaltySeconds);
    if (fits(cut, options) && (!hasEmptyStage(cut) || empty == EmptyStages::kAllowed)) {
      cut.lowerBound = lowerBound;
      cut.exact = relaxed->isProven && view.clusters.penaltySeconds == 0;
      return cut;
    }
  }
  if (auto found = search.fastest(empty, options.memoryLimit)) {
    StageCut cut = costOfStages(graph, options, std::move(found->stageOf));
    cut.exact = found->isProven && view.kind == View::Kind::kWhole;
    cut.lowerBound = cut.exact ? cut.seconds : lowerBound;
    return cut;
  }
  if (search.gaveUp()) return std::nullopt;
  std::optional<int64_t> smallest = search.smallestLimit(empty);
  if (search.gaveUp()) return std::nullopt;
  if (!smallest) return noCutWithoutEmptyStage(view.clusters, options);
  return userError("no cut into " + std::to_string(options.numStages) + " stages keeps every rank within " +
                   std::to_string(options.memoryLimit) + " bytes of weights and live values; the smallest limit that " +
                   (view.kind == View::Kind::kWhole ? "can be met is " : "was found to be met is ") +
                   std::to_string(*smallest) + "; allow more memory, use more stages, or split further within a stage");
}

StatusOr<StageCut> cutStages(const StageGraph& graph, const StageCutOptions& options) {
  SW_RETURN_IF_ERROR(checkPins(graph, options));
  // A limit may leave so few cuts that none is found soon: then the search sees less, and in the end one line of ops.
  for (int64_t maxDownSets = options.maxDownSets;; maxDownSets /= 8)
    if (auto cut = cutWithin(chooseView(graph, options, maxDownSets), graph, options)) return *std::move(cut);
}

}  // namespace shardwright
