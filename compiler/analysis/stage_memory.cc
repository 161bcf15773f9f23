#include "compiler/analysis/stage_memory.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace shardwright {
namespace {

std::vector<int> sortedOnce(std::vector<int> values) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  return values;
}

}  // namespace

StageMemory::StageMemory(const StageGraph& graph)
    : graph_(graph),
      read_(graph.nodes.size()),
      written_(graph.nodes.size()),
      constants_(graph.nodes.size()),
      ownWeights_(graph.nodes.size(), 0),
      nodeSeen_(graph.nodes.size(), 0),
      valueSeen_(graph.values.size(), 0),
      constantSeen_(graph.constants.size(), 0) {
  for (size_t v = 0; v < graph.values.size(); ++v) {
    const StageGraph::Value& value = graph.values[v];
    consumers_.push_back(sortedOnce(value.consumers));
    if (value.producer < 0) continue;
    written_[value.producer].push_back(v);
    for (int c : consumers_[v]) read_[c].push_back(v);
  }
  for (size_t k = 0; k < graph.constants.size(); ++k) {
    std::vector<int> users = sortedOnce(graph.constants[k].users);
    for (int u : users) constants_[u].push_back(k);
    if (users.size() == 1) ownWeights_[users[0]] += graph.constants[k].bytes;
    if (users.size() > 1) sharedWeights_ += graph.constants[k].bytes;
  }
  std::vector<int> all(graph.nodes.size());
  std::iota(all.begin(), all.end(), 0);
  mostLive_ = of(all).activations;
}

StageMemory::Bytes StageMemory::of(const std::vector<int>& nodes) const {
  Bytes bytes;
  ++call_;
  int64_t live = 0;
  for (int n : nodes) {
    nodeSeen_[n] = call_;
    for (int k : constants_[n])
      if (std::exchange(constantSeen_[k], call_) != call_) bytes.weights += graph_.constants[k].bytes;
    for (int v : read_[n])
      if (nodeSeen_[graph_.values[v].producer] != call_ && std::exchange(valueSeen_[v], call_) != call_)
        live += graph_.values[v].liveBytes;
  }
  auto isHere = [&](int n) { return nodeSeen_[n] == call_; };
  // Whether nothing in this stage or after it reads the value once node n is done.
  auto endsAt = [&](int v, int n) {
    const std::vector<int>& consumers = consumers_[v];
    bool produced = isHere(graph_.values[v].producer);
    if (produced && graph_.values[v].isOutput) return false;
    for (auto c = consumers.rbegin(); c != consumers.rend() && (produced || *c > n); ++c)
      if (isHere(*c) ? *c > n : produced) return false;
    return true;
  };
  bytes.activations = live;
  for (int n : nodes) {
    for (int v : written_[n]) live += graph_.values[v].liveBytes;
    bytes.activations = std::max(bytes.activations, live);
    for (int v : read_[n])
      if (endsAt(v, n)) live -= graph_.values[v].liveBytes;
    for (int v : written_[n])
      if (endsAt(v, n)) live -= graph_.values[v].liveBytes;
  }
  return bytes;
}

}  // namespace shardwright
