#include "compiler/analysis/down_sets.h"

#include <algorithm>
#include <numeric>
#include <tuple>
#include <unordered_map>

namespace shardwright {
namespace {

// A number per node whose xor over a set is the set's hash (splitmix64).
uint64_t nodeHash(int node) {
  uint64_t x = (static_cast<uint64_t>(node) + 1) * 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

template <typename T>
std::vector<T> permuted(std::vector<T>& values, const std::vector<int>& order) {
  std::vector<T> result;
  result.reserve(values.size());
  for (int i : order) result.push_back(std::move(values[i]));
  return result;
}

}  // namespace

std::vector<Bits> Dag::ancestors() const {
  std::vector<Bits> result(size(), Bits((size() + 63) / 64, 0));
  for (int i = 0; i < size(); ++i)
    for (int p : predecessors[i]) {
      setBit(result[i], p);
      for (size_t w = 0; w < result[i].size(); ++w) result[i][w] |= result[p][w];
    }
  return result;
}

std::optional<DownSets> DownSets::enumerate(const Dag& dag, const std::vector<int64_t>& weights, int64_t maxSets) {
  DownSets sets;
  std::vector<uint64_t> hashes;
  std::vector<int> sizes;
  std::unordered_multimap<uint64_t, int> byHash;
  auto add = [&](Bits members, uint64_t hash, int64_t weight, int size, std::vector<int> maximal,
                 std::vector<int> ready) {
    byHash.emplace(hash, sets.size());
    sets.members_.push_back(std::move(members));
    hashes.push_back(hash);
    sets.weight_.push_back(weight);
    sizes.push_back(size);
    sets.maximal_.push_back(std::move(maximal));
    sets.ready_.push_back(std::move(ready));
  };
  std::vector<int> sources;
  for (int i = 0; i < dag.size(); ++i)
    if (dag.predecessors[i].empty()) sources.push_back(i);
  add(Bits((dag.size() + 63) / 64, 0), 0, 0, 0, {}, std::move(sources));
  for (int set = 0; set < sets.size(); ++set)
    for (size_t k = 0; k < sets.ready_[set].size(); ++k) {
      int node = sets.ready_[set][k];
      Bits members = sets.members_[set];
      setBit(members, node);
      uint64_t hash = hashes[set] ^ nodeHash(node);
      auto [begin, end] = byHash.equal_range(hash);
      if (std::any_of(begin, end, [&](const auto& entry) { return sets.members_[entry.second] == members; })) continue;
      if (sets.size() >= maxSets) return std::nullopt;
      std::vector<int> maximal{node}, ready;
      const std::vector<int>& inputs = dag.predecessors[node];
      for (int m : sets.maximal_[set])
        if (std::find(inputs.begin(), inputs.end(), m) == inputs.end()) maximal.push_back(m);
      for (int r : sets.ready_[set])
        if (r != node) ready.push_back(r);
      for (int s : dag.successors[node])
        if (std::all_of(dag.predecessors[s].begin(), dag.predecessors[s].end(),
                        [&](int p) { return testBit(members, p); }))
          ready.push_back(s);
      std::sort(ready.begin(), ready.end());
      add(std::move(members), hash, sets.weight_[set] + weights[node], sizes[set] + 1, std::move(maximal),
          std::move(ready));
    }
  std::vector<int> order(sets.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](int a, int b) {
    return std::tie(sets.weight_[a], sizes[a], a) < std::tie(sets.weight_[b], sizes[b], b);
  });
  sets.weight_ = permuted(sets.weight_, order);
  sets.members_ = permuted(sets.members_, order);
  sets.maximal_ = permuted(sets.maximal_, order);
  sets.ready_ = permuted(sets.ready_, order);
  sets.setsWith_.assign(dag.size(), Bits((sets.size() + 63) / 64, 0));
  for (int set = 0; set < sets.size(); ++set)
    for (size_t w = 0; w < sets.members_[set].size(); ++w)
      for (uint64_t bits = sets.members_[set][w]; bits; bits &= bits - 1)
        setBit(sets.setsWith_[w * 64 + __builtin_ctzll(bits)], set);
  return sets;
}

int DownSets::firstOfWeight(int64_t weight) const {
  return std::lower_bound(weight_.begin(), weight_.end(), weight) - weight_.begin();
}

}  // namespace shardwright
