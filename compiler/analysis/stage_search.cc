#include "compiler/analysis/stage_search.h"

#include <algorithm>
#include <limits>

namespace shardwright {
namespace {

// Pairs of sets that the proof of the best may look at: about a second. The search for a first cut, which has coarser views to go to,
// may look at fewer.
constexpr int64_t kMaxPairs = 20'000'000, kMaxPairsToFirst = kMaxPairs / 2;
// What the walk over the nodes between two sets takes, in pairs that need none.
constexpr int64_t kPairsPerWalk = 20;
constexpr int64_t kUnbounded = std::numeric_limits<int64_t>::max() / 2;

int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace

StageSearch::StageSearch(const StageGraph& graph, const StageClusters& clusters, const DownSets& sets,
                         const StageCutOptions& options, Effort effort)
    : graph_(graph),
      clusters_(clusters),
      sets_(sets),
      options_(options),
      memory_(graph),
      ancestors_(clusters.dag.ancestors()),
      maxPairs_(effort == Effort::kAll ? kUnbounded : kMaxPairsToFirst) {
  for (int64_t t : clusters.ticks) total_ += t;
  crossings_.resize(sets.size());
  leastReceived_.assign(sets.size(), -1);
  ownWeights_.assign(sets.size(), 0);
  crossingBytes_.assign(sets.size(), -1);
  mayEnd_.assign(options.numStages, Bits((sets.size() + 63) / 64, 0));
  std::vector<int64_t> input(clusters.size(), 0);
  for (const auto& value : clusters.values)
    for (int c : value.consumers) input[c] += value.ticks;
  for (int c = 0; c < clusters.size(); ++c) byInput_.push_back({input[c], c});
  std::sort(byInput_.begin(), byInput_.end());
  measureSets();
}

// What every set weighs and where it may end a stage.
void StageSearch::measureSets() {
  std::vector<int64_t> own(clusters_.size(), 0);
  std::vector<int> pinned;
  for (int c = 0; c < clusters_.size(); ++c) {
    for (int n : clusters_.members[c]) own[c] += memory_.ownWeights(n);
    if (clusters_.earliest[c] > 0 || clusters_.latest[c] < options_.numStages - 1) pinned.push_back(c);
  }
  for (int set = 0; set < sets_.size(); ++set) {
    for (size_t w = 0; w < sets_.members(set).size(); ++w)
      for (uint64_t bits = sets_.members(set)[w]; bits; bits &= bits - 1)
        ownWeights_[set] += own[w * 64 + __builtin_ctzll(bits)];
    int earliest = 0, latest = options_.numStages - 1;
    for (int c : pinned)
      if (sets_.contains(set, c))
        earliest = std::max(earliest, clusters_.earliest[c]);
      else
        latest = std::min(latest, clusters_.latest[c]);
    bool isFull = set == sets_.size() - 1;
    for (int s = earliest; s < options_.numStages; ++s)
      if (isFull || s < latest) setBit(mayEnd_[s], set);
  }
}

const std::vector<StageSearch::Crossing>& StageSearch::crossings(int set) {
  if (crossings_[set]) return *crossings_[set];
  auto& result = crossings_[set].emplace();
  int firstOutside = sets_.ready(set).empty() ? clusters_.size() : sets_.ready(set).front();
  crossingBytes_[set] = 0;
  for (const auto& value : clusters_.values) {
    if (value.consumers.back() < firstOutside || !sets_.contains(set, value.producer)) continue;
    Crossing crossing{value.ticks, {}};
    for (int c : value.consumers) {
      if (sets_.contains(set, c)) continue;
      if (std::none_of(crossing.firstConsumers.begin(), crossing.firstConsumers.end(),
                       [&](int first) { return testBit(ancestors_[c], first); }))
        crossing.firstConsumers.push_back(c);
    }
    if (crossing.firstConsumers.empty()) continue;
    crossingBytes_[set] += value.liveBytes;
    if (value.ticks > 0) result.push_back(std::move(crossing));
  }
  return result;
}

// A stage that begins after this set, at once or later, has a node that reads something from before, or nothing at all.
int64_t StageSearch::leastReceived(int set) {
  if (leastReceived_[set] < 0)
    for (auto [ticks, c] : byInput_)
      if (!sets_.contains(set, c)) {
        leastReceived_[set] = ticks;
        break;
      }
  return std::max<int64_t>(leastReceived_[set], 0);
}

bool StageSearch::fits(int from, int to, int64_t limit) {
  int64_t own = ownWeights_[to] - ownWeights_[from];
  if (own > limit) return false;
  crossings(from);
  crossings(to);
  if (own + memory_.sharedWeights() + memory_.mostLive() + crossingBytes_[from] + crossingBytes_[to] <= limit)
    return true;
  numPairs_ += kPairsPerWalk;
  return memory_.of(nodesBetween(from, to)).total() <= limit;
}

std::vector<int> StageSearch::nodesBetween(int from, int to) const {
  std::vector<int> nodes;
  for (size_t w = 0; w < sets_.members(to).size(); ++w)
    for (uint64_t bits = sets_.members(to)[w] & ~sets_.members(from)[w]; bits; bits &= bits - 1) {
      const std::vector<int>& members = clusters_.members[w * 64 + __builtin_ctzll(bits)];
      nodes.insert(nodes.end(), members.begin(), members.end());
    }
  if (!std::is_sorted(nodes.begin(), nodes.end())) std::sort(nodes.begin(), nodes.end());
  return nodes;
}

template <typename F>
void StageSearch::forEachLargerSet(int set, int stage, int first, int last, F visit) const {
  for (int w = first / 64; w <= last / 64; ++w) {
    uint64_t bits = mayEnd_[stage][w];
    for (int m : sets_.maximal(set)) bits &= sets_.setsWith(m)[w];
    for (; bits; bits &= bits - 1) {
      int next = w * 64 + __builtin_ctzll(bits);
      if (next >= first && next <= last && next != set) visit(next);
    }
  }
}

// Ticks that `stagesLeft` stages after this set receive in any case.
int64_t StageSearch::receivedAtLeast(int set, int stagesLeft) {
  if (set == sets_.size() - 1) return 0;
  return leastReceived(set) * (empty_ == EmptyStages::kAllowed ? 1 : stagesLeft);
}

void StageSearch::tryStage(int stage, int set, int next, const Limits& limits) {
  ++numPairs_;
  int stagesLeft = options_.numStages - 1 - stage;
  int64_t received = 0;
  for (const Crossing& crossing : crossings(set))
    for (int c : crossing.firstConsumers)
      if (testBit(sets_.setsWith(c), next)) {
        received += crossing.ticks;
        break;
      }
  int64_t ticks = sets_.weight(next) - sets_.weight(set) + received;
  if (ticks > limits.stageTicks) return;
  int64_t later = receivedAtLeast(next, stagesLeft);
  int64_t mean = stagesLeft ? ceilDiv(total_ - sets_.weight(next) + later, stagesLeft) : 0;
  bool isFitting = limits.memory == 0;
  for (int from : front_[set]) {
    Label label{labels_[from].received + received, std::max(labels_[from].longest, ticks), next, from};
    if (total_ + label.received + later + (options_.microbatches - 1) * std::max(label.longest, mean) >= limits.below)
      continue;
    auto undercuts = [](const Label& a, const Label& b) { return a.received <= b.received && a.longest <= b.longest; };
    std::vector<int>& front = nextFront_[next];
    if (std::any_of(front.begin(), front.end(), [&](int other) { return undercuts(labels_[other], label); })) continue;
    if (!isFitting && !fits(set, next, limits.memory)) return;
    isFitting = true;
    front.erase(std::remove_if(front.begin(), front.end(), [&](int other) { return undercuts(label, labels_[other]); }),
                front.end());
    front.push_back(labels_.size());
    labels_.push_back(label);
  }
}

// The stage that begins at `set`, in all ways that may still lead to a cut below limits.below.
void StageSearch::extend(int stage, int set, Limits limits) {
  int full = sets_.size() - 1, stagesLeft = options_.numStages - 1 - stage;
  if (empty_ == EmptyStages::kAllowed && mayEnd(set, stage)) tryStage(stage, set, set, limits);
  if (options_.microbatches > 1 && limits.below < kUnbounded) {
    int64_t least = kUnbounded;
    for (int label : front_[set]) least = std::min(least, labels_[label].received);
    int64_t longest =
        (limits.below - 1 - total_ - least - receivedAtLeast(set, stagesLeft + 1)) / (options_.microbatches - 1);
    limits.stageTicks = std::min(limits.stageTicks, longest);
  }
  // The sets of which neither this stage nor a later one becomes too long.
  int first = set, last = full;
  if (stagesLeft == 0)
    first = full;
  else if (limits.stageTicks < total_) {
    first = std::max(set, sets_.firstOfWeight(total_ - stagesLeft * limits.stageTicks));
    last = sets_.firstOfWeight(sets_.weight(set) + limits.stageTicks + 1) - 1;
  }
  forEachLargerSet(set, stage, first, last, [&](int next) { tryStage(stage, set, next, limits); });
}

std::optional<StageSearch::Cut> StageSearch::fastestWithin(const Limits& limits) {
  int full = sets_.size() - 1;
  labels_.clear();
  front_.assign(sets_.size(), {});
  labels_.push_back({0, 0, 0, -1});
  front_[0].push_back(0);
  numPairs_ = 0;
  for (int stage = 0; stage < options_.numStages; ++stage) {
    nextFront_.assign(sets_.size(), {});
    for (int set = 0; set < sets_.size(); ++set)
      if (!front_[set].empty() && numPairs_ <= limits.pairs) extend(stage, set, limits);
    front_.swap(nextFront_);
  }
  auto ticks = [&](int label) {
    return total_ + labels_[label].received + (options_.microbatches - 1) * labels_[label].longest;
  };
  if (front_[full].empty()) return std::nullopt;
  int best =
      *std::min_element(front_[full].begin(), front_[full].end(), [&](int a, int b) { return ticks(a) < ticks(b); });
  std::vector<int> ends;
  for (int label = best; labels_[label].previous >= 0; label = labels_[label].previous)
    ends.push_back(labels_[label].set);
  return cutAt({ends.rbegin(), ends.rend()}, ticks(best));
}

StageSearch::Cut StageSearch::cutAt(const std::vector<int>& ends, int64_t ticks) const {
  Cut cut;
  cut.ticks = ticks;
  cut.stageOf.assign(graph_.nodes.size(), 0);
  for (size_t s = 0; s + 1 < ends.size(); ++s)
    for (int c = 0; c < clusters_.size(); ++c)
      if (!sets_.contains(ends[s], c))
        for (int n : clusters_.members[c]) cut.stageOf[n] = s + 1;
  return cut;
}

std::optional<StageSearch::Cut> StageSearch::fastest(EmptyStages empty, int64_t memoryLimit) {
  empty_ = empty;
  // A first cut comes soonest where stages may hardly be longer than the mean; it bounds the search that proves the best.
  int64_t longestOp = 0, allTransfers = 1;
  for (int64_t t : clusters_.ticks) longestOp = std::max(longestOp, t);
  for (const auto& value : clusters_.values) allTransfers += value.ticks;
  int64_t cap = std::max(longestOp, total_ / options_.numStages) * 21 / 20 + 1, whole = total_ + allTransfers;
  std::optional<Cut> cut;
  for (int64_t left = maxPairs_;; cap += cap / 4 + 1) {
    cut = fastestWithin({memoryLimit, std::min(cap, whole), kUnbounded, left});
    gaveUp_ = !cut && numPairs_ > left;
    if (cut || gaveUp_ || cap >= whole) break;
    left -= numPairs_;
  }
  if (!cut) return cut;
  std::optional<Cut> better = fastestWithin({memoryLimit, whole, cut->ticks, kMaxPairs});
  if (better) cut = std::move(better);
  cut->isProven = numPairs_ <= kMaxPairs;
  return cut;
}

std::optional<int64_t> StageSearch::smallestLimit(EmptyStages empty) {
  int full = sets_.size() - 1;
  numPairs_ = 0;
  std::vector<int64_t> least(sets_.size(), kUnbounded), next;
  least[0] = 0;
  for (int stage = 0; stage < options_.numStages; ++stage) {
    next.assign(sets_.size(), kUnbounded);
    for (int set = 0; set <= full; ++set) {
      if (least[set] == kUnbounded || numPairs_ > maxPairs_) continue;
      auto visit = [&](int end) {
        ++numPairs_;
        if (std::max(least[set], ownWeights_[end] - ownWeights_[set]) >= next[end]) return;
        numPairs_ += kPairsPerWalk;
        next[end] = std::min(next[end], std::max(least[set], memory_.of(nodesBetween(set, end)).total()));
      };
      if (empty == EmptyStages::kAllowed && mayEnd(set, stage)) visit(set);
      forEachLargerSet(set, stage, stage == options_.numStages - 1 ? full : set, full, visit);
    }
    least.swap(next);
  }
  gaveUp_ = numPairs_ > maxPairs_;
  if (gaveUp_ || least[full] == kUnbounded) return std::nullopt;
  return least[full];
}

}  // namespace shardwright
