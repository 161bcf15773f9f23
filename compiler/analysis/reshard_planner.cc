#include "compiler/analysis/reshard_planner.h"

#include <algorithm>
#include <map>
#include <queue>
#include <unordered_map>

#include "compiler/analysis/reshard_moves.h"
#include "compiler/target/cost_model.h"

namespace shardwright {
namespace {

// What a step costs beside its collective, so that of equal ways the shorter one is taken, and the same one every time.
constexpr double kStepSeconds = 1e-9;

std::optional<CollectiveCost> collectiveOf(ReshardKind kind) {
  switch (kind) {
    case ReshardKind::kAllReduce:
      return CollectiveCost::kAllReduce;
    case ReshardKind::kAllGather:
      return CollectiveCost::kAllGather;
    case ReshardKind::kReduceScatter:
      return CollectiveCost::kReduceScatter;
    case ReshardKind::kAllToAll:
      return CollectiveCost::kAllToAll;
    case ReshardKind::kPermute:
      return CollectiveCost::kPermute;
    case ReshardKind::kSlice:
    case ReshardKind::kMask:
      return std::nullopt;
  }
  return std::nullopt;
}

constexpr const char* kKindNames[] = {"slice",          "mask",       "all-reduce", "all-gather",
                                      "reduce-scatter", "all-to-all", "permute"};

size_t hashOf(const Sharding& s) {
  size_t hash = static_cast<size_t>(s.combiner) + 1;
  auto add = [&](size_t v) { hash = (hash ^ v) * 0x9E3779B97F4A7C15u + (hash >> 29); };
  auto addAxes = [&](const AxisList& axes) {
    for (const SubAxis& sub : axes) add(((sub.axis * 4099 + sub.pre) * 4099) + sub.size);
    add(axes.size());
  };
  for (const DimSharding& d : s.dims) {
    add(d.factors.size() + 77);
    for (const DimSplit& split : d.factors) {
      add(split.extent.hash());
      if (!split.axes.empty()) add(split.granules.hash());
      addAxes(split.axes);
    }
  }
  addAxes(s.partial);
  return hash;
}

// The canonical sharding after a step from `state`; dims that it does not work on are canonical already.
Sharding reached(const ReshardStep& step, const Sharding& state, const Facts& facts) {
  Sharding s = step.after;
  for (size_t d = 0; d < s.dims.size(); ++d) {
    bool touched = step.kind == ReshardKind::kPermute || step.gather.dim == static_cast<int>(d) ||
                   step.split.dim == static_cast<int>(d);
    s.dims[d] = touched ? canonical(s.dims[d], facts) : state.dims[d];
  }
  std::sort(s.partial.begin(), s.partial.end());
  s.partial = canonical(s.partial);
  return s;
}

struct ShardingHash {
  size_t operator()(const Sharding& s) const { return hashOf(s); }
};

// Numbers for the tensors and shardings that were asked about, so that a remembered cost takes a few words.
struct CostKey {
  int tensor, from, to;
  friend bool operator==(const CostKey& a, const CostKey& b) {
    return a.tensor == b.tensor && a.from == b.from && a.to == b.to;
  }
};
struct CostKeyHash {
  size_t operator()(const CostKey& k) const {
    return (static_cast<size_t>(k.tensor) * 0x9E3779B97F4A7C15u) ^ (static_cast<size_t>(k.from) << 32 | k.to) * 31;
  }
};
struct TensorLess {
  using Key = std::pair<Exprs, DType>;
  bool operator()(const Key& a, const Key& b) const {
    if (a.second != b.second) return a.second < b.second;
    return std::lexicographical_compare(a.first.begin(), a.first.end(), b.first.begin(), b.first.end(),
                                        [](Expr x, Expr y) { return Expr::compare(x, y) < 0; });
  }
};

}  // namespace

std::string str(const ReshardPlan& plan, const Mesh& mesh) {
  std::string text;
  for (const ReshardStep& step : plan.steps) {
    text += (text.empty() ? "" : " ") + std::string(kKindNames[static_cast<int>(step.kind)]) + "{";
    for (const SubAxis& sub : step.axes) text += (text.back() == '{' ? "" : ",") + mesh.str(sub);
    text += "}";
  }
  return text;
}

struct ReshardPlanner::State {
  Mesh mesh;
  Facts facts;
  Bindings sizes;
  Machine machine;
  std::map<TensorLess::Key, int, TensorLess> tensors;
  std::unordered_map<Sharding, int, ShardingHash> shardings;
  std::unordered_map<CostKey, double, CostKeyHash> costs;

  double secondsOf(const ReshardStep& step, double bytesBefore, double bytesAfter, DType dtype) const {
    double bytes = std::max(bytesBefore, bytesAfter);
    if (auto collective = collectiveOf(step.kind))
      return kStepSeconds + collectiveSeconds(machine, *collective, static_cast<int>(sizeOf(step.axes)), bytes);
    if (step.kind == ReshardKind::kMask) return kStepSeconds + kernelSeconds(machine, dtype, 0, 2 * bytes);
    return kStepSeconds;
  }
};

ReshardPlanner::ReshardPlanner(Mesh mesh, Facts facts, Bindings sizes, Machine machine)
    : state_(new State{std::move(mesh), std::move(facts), std::move(sizes), std::move(machine), {}, {}, {}}) {}
ReshardPlanner::~ReshardPlanner() = default;
const Mesh& ReshardPlanner::mesh() const { return state_->mesh; }
const Facts& ReshardPlanner::facts() const { return state_->facts; }

// Dijkstra over canonical shardings.
ReshardPlan ReshardPlanner::plan(llvm::ArrayRef<Expr> dims, DType dtype, const Sharding& from, const Sharding& to) {
  struct Node {
    Sharding sharding;
    double bytes = 0, seconds = 0;
    bool done = false;
    int previous = -1;
    ReshardStep step;  // from `previous`
  };
  std::vector<Node> nodes;
  std::unordered_map<Sharding, int, ShardingHash> index;
  auto nodeOf = [&](Sharding s) {
    auto [entry, isNew] = index.try_emplace(s, static_cast<int>(nodes.size()));
    if (isNew) {
      int64_t count = maxLocalCount(s, dims, state_->mesh, state_->sizes);
      nodes.push_back({std::move(s), static_cast<double>(byteSize(dtype, count)), -1, false, -1, {}});
    }
    return entry->second;
  };
  using Entry = std::pair<double, int>;
  std::priority_queue<Entry, std::vector<Entry>, std::greater<Entry>> queue;
  nodes[nodeOf(from)].seconds = 0;
  queue.push({0, 0});
  const int goal = nodeOf(to);
  while (!nodes[goal].done && !queue.empty()) {
    int at = queue.top().second;
    queue.pop();
    if (nodes[at].done) continue;
    nodes[at].done = true;
    if (at == goal) break;
    for (ReshardStep& step : movesTowards(nodes[at].sharding, to, dims, state_->mesh, state_->facts)) {
      int next = nodeOf(reached(step, nodes[at].sharding, state_->facts));
      step.seconds = state_->secondsOf(step, nodes[at].bytes, nodes[next].bytes, dtype);
      double seconds = nodes[at].seconds + step.seconds;
      if (nodes[next].done || (nodes[next].seconds >= 0 && nodes[next].seconds <= seconds)) continue;
      nodes[next].seconds = seconds;
      nodes[next].previous = at;
      nodes[next].step = std::move(step);
      queue.push({seconds, next});
    }
  }
  assert(nodes[goal].done && "every sharding is reached through the whole tensor");
  ReshardPlan plan;
  plan.seconds = nodes[goal].seconds;
  for (int at = goal; nodes[at].previous >= 0; at = nodes[at].previous) plan.steps.push_back(nodes[at].step);
  std::reverse(plan.steps.begin(), plan.steps.end());
  return plan;
}

double ReshardPlanner::seconds(llvm::ArrayRef<Expr> dims, DType dtype, const Sharding& from, const Sharding& to) {
  if (from == to) return 0;
  auto numberOf = [&](const Sharding& s) {
    return state_->shardings.try_emplace(s, static_cast<int>(state_->shardings.size())).first->second;
  };
  TensorLess::Key tensor{Exprs(dims.begin(), dims.end()), dtype};
  int number = state_->tensors.try_emplace(tensor, static_cast<int>(state_->tensors.size())).first->second;
  CostKey key{number, numberOf(from), numberOf(to)};
  auto known = state_->costs.find(key);
  if (known != state_->costs.end()) return known->second;
  return state_->costs[key] = plan(dims, dtype, from, to).seconds;
}

}  // namespace shardwright
