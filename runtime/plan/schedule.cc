#include "runtime/plan/schedule.h"

#include <algorithm>
#include <deque>

namespace shardwright {
namespace {

using Action = plan::Entry::Action;

// One schedule. A rank does `warmup` forward actions, then one forward and one backward action in turn, then the backward
// actions that are left. Where backward is split, the weight gradients follow their input gradients `deferred` later, and
// so fill what would be idle at the end.
struct Row {
  const char* name;
  bool hasChunks;
  bool splitsBackward;
  int (*warmup)(const ScheduleShape& shape, int rank);
  int (*deferred)(const ScheduleShape& shape, int rank);
};

int none(const ScheduleShape&, int) { return 0; }
int all(const ScheduleShape& s, int) { return s.microbatches; }
int distanceToEnd(const ScheduleShape& s, int rank) { return s.numRanks - 1 - rank; }
// Twice as many in flight, so that the first backward action finds every rank busy.
int twiceDistanceToEnd(const ScheduleShape& s, int rank) { return 2 * (s.numRanks - 1 - rank); }
int roundsOfChunks(const ScheduleShape& s, int rank) {
  return twiceDistanceToEnd(s, rank) + (s.chunksPerRank - 1) * s.numRanks;
}
// As many as its fewer microbatches in flight leave room for.
int distanceFromStart(const ScheduleShape&, int rank) { return rank; }
int twiceDistanceFromStart(const ScheduleShape&, int rank) { return 2 * rank; }

constexpr Row kRows[] = {
    // name          chunks split  warmup               deferred
    {"gpipe", false, false, all, none},
    {"1f1b", false, false, distanceToEnd, none},
    {"interleaved", true, false, roundsOfChunks, none},
    {"zb-h1", false, true, distanceToEnd, distanceFromStart},
    {"zb-h2", false, true, twiceDistanceToEnd, twiceDistanceFromStart},
};

Action makeAction(Action::Kind kind, int microbatch, int chunk) {
  Action action;
  action.set_kind(kind);
  action.set_microbatch(static_cast<uint32_t>(microbatch));
  action.set_chunk(static_cast<uint32_t>(chunk));
  return action;
}

// As many microbatches as there are ranks go through chunk 0, then through chunk 1, …; backwards from the last chunk.
//   p = 2, m = 4, v = 2: 0 1 of chunk 0, 0 1 of chunk 1, 2 3 of chunk 0, 2 3 of chunk 1
ActionList inRounds(const ScheduleShape& shape, Action::Kind kind) {
  ActionList list;
  int perRound = shape.chunksPerRank > 1 ? shape.numRanks : shape.microbatches;
  for (int first = 0; first < shape.microbatches; first += perRound)
    for (int c = 0; c < shape.chunksPerRank; ++c)
      for (int m = first; m < std::min(first + perRound, shape.microbatches); ++m)
        list.push_back(makeAction(kind, m, kind == Action::FORWARD ? c : shape.chunksPerRank - 1 - c));
  return list;
}

ActionList actionsOf(const Row& row, const ScheduleShape& shape, int rank) {
  ActionList forward = inRounds(shape, Action::FORWARD);
  if (shape.form == ScheduleForm::kForward) return forward;
  ActionList backward = inRounds(shape, row.splitsBackward ? Action::BACKWARD_INPUT : Action::BACKWARD);
  size_t warmup = std::min(forward.size(), static_cast<size_t>(row.warmup(shape, rank)));
  size_t mostWaiting = static_cast<size_t>(row.deferred(shape, rank));
  ActionList list(forward.begin(), forward.begin() + static_cast<std::ptrdiff_t>(warmup));
  std::deque<Action> weightGradients;
  auto addWeightGradients = [&](size_t left) {
    for (; weightGradients.size() > left; weightGradients.pop_front()) list.push_back(weightGradients.front());
  };
  size_t nextForward = warmup;
  for (const Action& b : backward) {
    if (nextForward < forward.size()) list.push_back(forward[nextForward++]);
    list.push_back(b);
    if (!row.splitsBackward) continue;
    weightGradients.push_back(b);
    weightGradients.back().set_kind(Action::BACKWARD_WEIGHT);
    addWeightGradients(mostWaiting);
  }
  addWeightGradients(0);
  return list;
}

Status checkShape(const Row& row, const ScheduleShape& shape) {
  std::string schedule = "schedule '" + std::string(row.name) + "'";
  if (shape.numRanks < 1 || shape.microbatches < 1 || shape.chunksPerRank < 1)
    return userError(schedule + " of " + std::to_string(shape.numRanks) + " stages, " +
                     std::to_string(shape.microbatches) + " microbatches and " + std::to_string(shape.chunksPerRank) +
                     " chunks per rank; allowed: at least one of each");
  if (!row.hasChunks && shape.chunksPerRank > 1)
    return userError(schedule + " has one chunk per rank, not " + std::to_string(shape.chunksPerRank) +
                     "; use schedule 'interleaved'");
  if (row.hasChunks && shape.chunksPerRank < 2)
    return userError(schedule + " needs at least 2 chunks per rank, found 1; use schedule '1f1b'");
  // A forward round that is not full only leaves ranks idle.
  bool needsFullRounds = row.hasChunks && shape.form == ScheduleForm::kTraining;
  if (needsFullRounds && shape.microbatches % shape.numRanks != 0)
    return userError(schedule + " takes microbatches in rounds of as many as there are stages: " +
                     std::to_string(shape.microbatches) + " is no multiple of " + std::to_string(shape.numRanks) +
                     "; use another number of microbatches, or schedule '1f1b'");
  return {};
}

}  // namespace

std::vector<std::string> scheduleNames() {
  std::vector<std::string> names;
  for (const Row& row : kRows) names.emplace_back(row.name);
  return names;
}

StatusOr<std::vector<ActionList>> makeSchedule(const std::string& name, const ScheduleShape& shape) {
  std::string known;
  for (const Row& row : kRows) {
    known += std::string(known.empty() ? "" : ", ") + row.name;
    if (name != row.name) continue;
    SW_RETURN_IF_ERROR(checkShape(row, shape));
    std::vector<ActionList> schedule;
    for (int r = 0; r < shape.numRanks; ++r) schedule.push_back(actionsOf(row, shape, r));
    return schedule;
  }
  return userError("there is no schedule '" + name + "'; allowed: " + known);
}

}  // namespace shardwright
