// Owns the list of a DAG's down-sets (sets of nodes that hold every predecessor of their members): the places where it can be
// cut. What a cut costs is not its business.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace shardwright {

using Bits = std::vector<uint64_t>;
inline bool testBit(const Bits& bits, int i) { return bits[i >> 6] >> (i & 63) & 1; }
inline void setBit(Bits& bits, int i) { bits[i >> 6] |= uint64_t{1} << (i & 63); }

// Node i's predecessors are < i.
struct Dag {
  std::vector<std::vector<int>> predecessors, successors;
  int size() const { return static_cast<int>(predecessors.size()); }
  // ancestors()[i] has bit j if a path leads from j to i.
  std::vector<Bits> ancestors() const;
};

// Sets are numbered by ascending weight, the empty one first, the full one last; of equal weight, the smaller one first.
class DownSets {
 public:
  // Nothing if there are more than maxSets.
  static std::optional<DownSets> enumerate(const Dag& dag, const std::vector<int64_t>& weights, int64_t maxSets);

  int size() const { return static_cast<int>(weight_.size()); }
  int64_t weight(int set) const { return weight_[set]; }
  // The first set of at least this weight; size() if none has it.
  int firstOfWeight(int64_t weight) const;
  bool contains(int set, int node) const { return testBit(members_[set], node); }
  const Bits& members(int set) const { return members_[set]; }
  // Members without a successor in the set: another down-set contains this one exactly if it contains these.
  const std::vector<int>& maximal(int set) const { return maximal_[set]; }
  // Non-members all of whose predecessors are members.
  const std::vector<int>& ready(int set) const { return ready_[set]; }
  // Bit s: set s contains the node.
  const Bits& setsWith(int node) const { return setsWith_[node]; }

 private:
  std::vector<int64_t> weight_;
  std::vector<Bits> members_;
  std::vector<std::vector<int>> maximal_, ready_;
  std::vector<Bits> setsWith_;
};

}  // namespace shardwright
