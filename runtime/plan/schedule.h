// Owns the schedules of a pipeline: for each rank the order of its actions on microbatches, generated from one table, and the
// time that such lists take when all ranks run together. It runs nothing, and what an action's program does is not its.
//
// A rank r of p holds chunks 0 … v-1 of the model; its chunk c is part c·p + r of v·p. An action on a part needs the same
// microbatch's action on the part before it (FORWARD) or behind it (BACKWARD, BACKWARD_INPUT); a backward action needs the
// forward one of its own part, BACKWARD_WEIGHT its BACKWARD_INPUT. Action.chunk is the rank's chunk, for every kind alike.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/plan/plan.pb.h"

namespace shardwright {

using ActionList = std::vector<plan::Entry::Action>;

enum class ScheduleForm { kForward, kTraining };

struct ScheduleShape {
  int numRanks = 1;       // p: stages of the pipeline
  int microbatches = 1;   // m
  int chunksPerRank = 1;  // v
  ScheduleForm form = ScheduleForm::kForward;
};

// "gpipe", "1f1b", "interleaved", "zb-h1", "zb-h2".
std::vector<std::string> scheduleNames();

// By rank. A user error where the name is unknown or the schedule has no such shape.
//   1f1b, p = 2, m = 3, training:   rank 0: F0 F1 B0 F2 B1 B2    rank 1: F0 B0 F1 B1 F2 B2
StatusOr<std::vector<ActionList>> makeSchedule(const std::string& name, const ScheduleShape& shape);

struct TimedAction {
  plan::Entry::Action action;
  double start = 0, end = 0;  // seconds
};
using Timeline = std::vector<std::vector<TimedAction>>;  // by rank, in order

struct ScheduleCosts {
  // Of one action of a rank, transfers left out.
  std::function<double(int rank, const plan::Entry::Action& action)> seconds;
  double transferSeconds = 0;  // from the end of an action until a rank of another part can begin with its result
};

struct SimulatedSchedule {
  Timeline timeline;
  double seconds = 0;       // until the last action ends
  double idleFraction = 0;  // of all ranks' time
  // By rank: the most microbatches (times chunks) whose forward action has begun and whose last backward one has not ended.
  // Without backward actions nothing is kept, and it is 1.
  std::vector<int> mostInFlight;
};

// Each rank does its actions in order, each as soon as what it needs is there. Fails where an action needs one that nobody
// has, and where ranks wait for one another in a cycle, which the message names.
StatusOr<SimulatedSchedule> simulate(const std::vector<ActionList>& schedule, const ScheduleCosts& costs);

// "forward of microbatch 3 on chunk 1", for messages.
std::string actionText(const plan::Entry::Action& action);

}  // namespace shardwright
