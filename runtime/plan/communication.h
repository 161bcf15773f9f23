// Owns what ranks say to each other in one entry: per class of ranks and program the list of its sends, receives and
// collectives, and which ranks are connected by them. Private to the checker.
//
// Ranks that no message connects are independent, and two connected sets whose ranks correspond one to one (same class, same
// relation to the others) behave alike: one of them stands for all. So of a mesh dp=6, pp=64, tp=8 one sixth is run.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "runtime/plan/rank_classes.h"

namespace shardwright {

struct CommEvent {
  enum Kind { kSend, kReceive, kJoin, kAwait } kind;
  const plan::Program* program;
  const plan::Step* step;
  int payload = -1;  // of transfers: number of the text of dims and type
  int awaited = -1;  // of kAwait: the event of this list that must be complete
};

class Communication {
 public:
  Communication(const PlanUnderCheck& checked, const SizesUnderCheck& at, const plan::Entry& entry);

  // Of one run of the chunk by a rank of the class, calls included. Branches and loops are left out: their conditions are
  // the same on all ranks, so that a collective inside them meets its peers if the call does.
  const std::vector<CommEvent>& events(int cls, uint32_t chunk) const { return events_.at({cls, chunk}); }
  const std::string& payload(int number) const { return payloads_[static_cast<size_t>(number)]; }

  // Connected sets of ranks, ascending, without those that are like an earlier one.
  std::vector<std::vector<int>> differentSets() const;

 private:
  void collect(int cls, uint32_t program, std::vector<CommEvent>& events);
  int payloadOf(int cls, const plan::View& view);
  std::vector<std::vector<int>> connectedSets() const;
  template <typename F>
  void forEachEvent(int rank, F visit) const;

  const plan::Plan& plan_;
  const RankClasses& classes_;
  const plan::Entry& entry_;
  std::map<std::pair<int, uint32_t>, std::vector<CommEvent>> events_;
  std::vector<std::string> payloads_;
  std::map<std::string, int> payloadNumbers_;
};

}  // namespace shardwright
