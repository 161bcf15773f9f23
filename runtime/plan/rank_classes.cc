#include "runtime/plan/rank_classes.h"

#include <algorithm>
#include <set>

#include "runtime/plan/mesh_ranks.h"
#include "runtime/plan/step_views.h"

namespace shardwright {
namespace {

// What the stage's programs use, but for the peers of their transfers.
std::vector<uint32_t> exprsOfStage(const plan::Plan& plan, const std::vector<uint32_t>& programs,
                                   std::set<uint32_t>& peers) {
  std::set<uint32_t> exprs;
  for (uint32_t index : programs) {
    const plan::Program& program = plan.programs(static_cast<int>(index));
    for (const plan::Buffer& b : program.buffers()) exprs.insert(b.count());
    for (const plan::Step& s : program.steps()) {
      std::vector<uint32_t> used = exprsOf(s);
      if (s.has_transfer()) {
        peers.insert(s.transfer().peer());
        used.erase(std::find(used.rbegin(), used.rend(), s.transfer().peer()).base() - 1);
      }
      exprs.insert(used.begin(), used.end());
      if (s.guard() > 0) exprs.insert(s.guard() - 1);
    }
  }
  return {exprs.begin(), exprs.end()};
}

}  // namespace

StatusOr<RankClasses> RankClasses::make(const PlanUnderCheck& checked, const ExprTable::Symbols& sizes) {
  RankClasses classes;
  const plan::Plan& plan = checked.plan;
  classes.plan_ = &plan;
  std::vector<const plan::Entry*> entries;
  for (const plan::Entry& e : plan.entries()) entries.push_back(&e);
  std::set<uint32_t> peers;
  std::vector<std::vector<uint32_t>> used;
  for (int s = 0; s < numStages(plan.mesh()); ++s)
    used.push_back(exprsOfStage(plan, programsOfStage(plan, entries, s), peers));
  int ranks = shardwright::numRanks(plan.mesh());
  for (uint32_t peer : peers) classes.peers_[peer].reserve(static_cast<size_t>(ranks));
  std::map<std::vector<int64_t>, int> known;
  ExprTable::Symbols symbols = sizes;
  std::vector<int64_t> values;
  for (int rank = 0; rank < ranks; ++rank) {
    checked.table.bindCoordinates(rank, symbols);
    Status evaluated = checked.table.evaluate(symbols, values);
    if (!evaluated.ok()) return evaluated.within("rank " + std::to_string(rank));
    int stage = stageOf(plan.mesh(), rank);
    classes.stageOf_.push_back(stage);
    std::vector<int64_t> key{stage};
    for (uint32_t e : used[static_cast<size_t>(stage)]) key.push_back(values[e]);
    auto [it, isNew] = known.emplace(std::move(key), classes.size());
    if (isNew) {
      classes.first_.push_back(rank);
      classes.count_.push_back(0);
      classes.values_.push_back(values);
    }
    ++classes.count_[static_cast<size_t>(it->second)];
    classes.classOf_.push_back(it->second);
    for (auto& [peer, ofRanks] : classes.peers_) ofRanks.push_back(values[peer]);
  }
  classes.findGroups();
  return classes;
}

void RankClasses::findGroups() {
  for (const plan::Group& group : plan_->groups()) {
    GroupInstances& instances = groups_.emplace_back();
    instances.instanceOf.assign(classOf_.size(), -1);
    instances.indexOf.assign(classOf_.size(), 0);
    for (int rank = 0; rank < numRanks(); ++rank) {
      if (instances.instanceOf[static_cast<size_t>(rank)] >= 0) continue;
      std::vector<int> members = membersOf(plan_->mesh(), group, rank).ranks;
      for (size_t i = 0; i < members.size(); ++i) {
        instances.instanceOf[static_cast<size_t>(members[i])] = static_cast<int>(instances.members.size());
        instances.indexOf[static_cast<size_t>(members[i])] = static_cast<int>(i);
      }
      instances.members.push_back(std::move(members));
    }
  }
}

std::string RankClasses::text(int cls) const {
  int others = count_[static_cast<size_t>(cls)] - 1;
  return "on rank " + std::to_string(firstRank(cls)) +
         (others > 0 ? " (and " + std::to_string(others) + " alike)" : "");
}

int64_t RankClasses::peerOf(int rank, uint32_t peerExpr) const {
  return peers_.at(peerExpr)[static_cast<size_t>(rank)];
}

}  // namespace shardwright
