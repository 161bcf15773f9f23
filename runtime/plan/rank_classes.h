// Owns which ranks of a plan are alike at given sizes: same stage, and same value of every expression that the stage's programs
// use. What holds of one of a class holds of all; only whom they talk to differs. Private to the checker.
#pragma once

#include <map>
#include <vector>

#include "runtime/plan/mesh_ranks.h"
#include "runtime/plan/plan_checks.h"
#include "runtime/plan/rank_memory.h"

namespace shardwright {

// The instances of one group: every rank is in one.
struct GroupInstances {
  std::vector<int> instanceOf, indexOf;   // by rank: which instance, and its place there
  std::vector<std::vector<int>> members;  // by instance, in member order
};

class RankClasses {
 public:
  // `sizes` without coordinates. Fails where an expression has no value on some rank.
  static StatusOr<RankClasses> make(const PlanUnderCheck& checked, const ExprTable::Symbols& sizes);

  int numRanks() const { return static_cast<int>(classOf_.size()); }
  int classOf(int rank) const { return classOf_[static_cast<size_t>(rank)]; }
  int stage(int rank) const { return stageOf_[static_cast<size_t>(rank)]; }

  int size() const { return static_cast<int>(first_.size()); }
  int firstRank(int cls) const { return first_[static_cast<size_t>(cls)]; }
  // Of every expression, on the first rank; those of transfers' peers are its own.
  const std::vector<int64_t>& values(int cls) const { return values_[static_cast<size_t>(cls)]; }
  const std::vector<int64_t>& valuesOf(int rank) const { return values(classOf(rank)); }
  // "on rank 5 (and 11 alike)"
  std::string text(int cls) const;

  // The linear rank that a transfer of the rank's stage names.
  int64_t peerOf(int rank, uint32_t peerExpr) const;
  const GroupInstances& instances(uint32_t group) const { return groups_[group]; }

 private:
  RankClasses() = default;
  void findGroups();

  const plan::Plan* plan_ = nullptr;
  std::vector<int> classOf_, stageOf_;  // by rank
  std::vector<int> first_, count_;      // by class
  std::vector<std::vector<int64_t>> values_;
  std::map<uint32_t, std::vector<int64_t>> peers_;  // by expression: its value on every rank
  std::vector<GroupInstances> groups_;
};

// What a check at sizes looks at.
struct SizesUnderCheck {
  RankClasses classes;
  std::vector<const plan::Entry*> entries;  // those that run at these sizes
  std::string text;                         // " at batch=1, seq=3"; empty at the assumed sizes
  ExprTable::Symbols sizes;                 // without coordinates

  std::vector<uint32_t> programs(const plan::Plan& plan, int stage) const {
    return programsOfStage(plan, entries, stage);
  }
};

}  // namespace shardwright
