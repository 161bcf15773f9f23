#include "runtime/plan/communication.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "runtime/base/dtype.h"
#include "runtime/plan/mesh_ranks.h"

namespace shardwright {

Communication::Communication(const PlanUnderCheck& checked, const SizesUnderCheck& at, const plan::Entry& entry)
    : plan_(checked.plan), classes_(at.classes), entry_(entry) {
  for (int cls = 0; cls < classes_.size(); ++cls)
    for (uint32_t chunk : entry.stages(classes_.stage(classes_.firstRank(cls))).chunks())
      collect(cls, chunk, events_[{cls, chunk}]);
}

void Communication::collect(int cls, uint32_t program, std::vector<CommEvent>& events) {
  const plan::Program& p = plan_.programs(static_cast<int>(program));
  const std::vector<int64_t>& values = classes_.values(cls);
  std::map<int, int> started;  // step -> event
  for (int i = 0; i < p.steps_size(); ++i) {
    const plan::Step& s = p.steps(i);
    if (s.guard() > 0 && values[s.guard() - 1] == 0) continue;
    if (s.has_call() && s.call().kind() == plan::CallStep::CALL) collect(cls, s.call().programs(0), events);
    CommEvent e{CommEvent::kJoin, &p, &s, -1, -1};
    if (s.has_transfer()) {
      e.kind = s.transfer().send() ? CommEvent::kSend : CommEvent::kReceive;
      e.payload = payloadOf(cls, s.transfer().view());
    } else if (s.has_wait()) {
      auto found = started.find(static_cast<int>(s.wait().step()));
      if (found == started.end()) continue;
      e.kind = CommEvent::kAwait;
      e.awaited = found->second;
    } else if (!s.has_collective()) {
      continue;
    }
    started[i] = static_cast<int>(events.size());
    events.push_back(e);
    if (e.kind == CommEvent::kAwait || s.async()) continue;
    e.kind = CommEvent::kAwait;
    e.awaited = static_cast<int>(events.size()) - 1;
    events.push_back(e);
  }
}

int Communication::payloadOf(int cls, const plan::View& view) {
  std::string text;
  for (uint32_t d : view.dims()) text += std::to_string(classes_.values(cls)[d]) + "x";
  text += dtypeName(static_cast<DType>(view.dtype()));
  auto [it, isNew] = payloadNumbers_.emplace(text, static_cast<int>(payloads_.size()));
  if (isNew) payloads_.push_back(text);
  return it->second;
}

template <typename F>
void Communication::forEachEvent(int rank, F visit) const {
  int cls = classes_.classOf(rank);
  for (uint32_t chunk : entry_.stages(classes_.stage(rank)).chunks())
    for (const CommEvent& e : events(cls, chunk))
      if (e.kind != CommEvent::kAwait) visit(e);
}

std::vector<std::vector<int>> Communication::connectedSets() const {
  std::vector<int> parent(static_cast<size_t>(classes_.numRanks()));
  std::iota(parent.begin(), parent.end(), 0);
  auto find = [&](int r) {
    while (parent[static_cast<size_t>(r)] != r) {
      int& up = parent[static_cast<size_t>(r)];
      r = up = parent[static_cast<size_t>(up)];
    }
    return r;
  };
  // The lower rank stands for both, so that sets come out ascending.
  auto connect = [&](int a, int b) {
    a = find(a), b = find(b);
    parent[static_cast<size_t>(std::max(a, b))] = std::min(a, b);
  };
  for (int rank = 0; rank < classes_.numRanks(); ++rank)
    forEachEvent(rank, [&](const CommEvent& e) {
      if (e.kind == CommEvent::kJoin) {
        const GroupInstances& group = classes_.instances(e.step->collective().group());
        connect(rank, group.members[static_cast<size_t>(group.instanceOf[static_cast<size_t>(rank)])][0]);
        return;
      }
      int64_t peer = classes_.peerOf(rank, e.step->transfer().peer());
      if (peer >= 0 && peer < classes_.numRanks()) connect(rank, static_cast<int>(peer));
    });
  std::map<int, std::vector<int>> sets;
  for (int rank = 0; rank < classes_.numRanks(); ++rank) sets[find(rank)].push_back(rank);
  std::vector<std::vector<int>> result;
  for (auto& [first, ranks] : sets) result.push_back(std::move(ranks));
  return result;
}

std::vector<std::vector<int>> Communication::differentSets() const {
  std::vector<std::vector<int>> result;
  std::vector<int64_t> place(static_cast<size_t>(classes_.numRanks()), -1);  // of a rank in its set
  std::set<std::vector<int64_t>> seen;
  for (std::vector<int>& ranks : connectedSets()) {
    for (size_t i = 0; i < ranks.size(); ++i) place[static_cast<size_t>(ranks[i])] = static_cast<int64_t>(i);
    std::vector<int64_t> relations;
    for (int rank : ranks) {
      relations.push_back(classes_.classOf(rank));
      forEachEvent(rank, [&](const CommEvent& e) {
        if (e.kind == CommEvent::kJoin) {
          const GroupInstances& group = classes_.instances(e.step->collective().group());
          auto at = static_cast<size_t>(rank);
          int first = group.members[static_cast<size_t>(group.instanceOf[at])][0];
          relations.push_back(place[static_cast<size_t>(first)]);
          relations.push_back(group.indexOf[at]);
          return;
        }
        int64_t peer = classes_.peerOf(rank, e.step->transfer().peer());
        // A peer that does not exist is told for each rank.
        relations.push_back(peer >= 0 && peer < classes_.numRanks() ? place[static_cast<size_t>(peer)] : -1 - rank);
      });
    }
    if (seen.insert(std::move(relations)).second) result.push_back(std::move(ranks));
  }
  return result;
}

}  // namespace shardwright
