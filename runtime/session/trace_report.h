// Owns what a trace says: where each rank's time went, when each action ran, what each stage and microbatch took, what went
// through collectives and transfers. It draws with the plan's own picture and predicts nothing.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "runtime/plan/report.h"
#include "runtime/plan/schedule.h"
#include "runtime/session/trace.h"

namespace shardwright {

// Seconds of one rank in one run. What is neither here nor idle is the time between steps.
struct RankTimes {
  double computing = 0;    // kernels, and what is neither of the following
  double collectives = 0;  // with waiting for the group's other members
  double sending = 0;
  double receiving = 0;  // with waiting for the sender
  double idle = 0;       // receiving, and outside of actions
};

struct TrafficTotal {
  int64_t count = 0, bytes = 0;
  double seconds = 0;
};

struct StageTimes {
  double seconds = 0;                                // in actions, receives left out; of the stage's ranks the mean
  std::map<uint32_t, double> microbatches;           // the same, by microbatch
  std::map<std::string, TrafficTotal> traffic;       // by "all-reduce over tp", "send": of the stage's first rank
  std::map<std::string, TrafficTotal> trafficSteps;  // by the step's name
};

// Of the run that took the median time among those traced; of an even number the longer one in the middle.
struct TraceReport {
  int64_t numRuns = 0;
  uint32_t run = 0;
  double seconds = 0;  // from the first action's begin, behind its receives, to the last one's end, on any rank
  std::vector<RankTimes> ranks;
  std::vector<StageTimes> stages;
  std::map<uint32_t, double> microbatches;  // from its first action's begin to its last one's end
  // By rank. An action begins behind the receives that it begins with.
  Timeline timeline;
  double idleFraction = 0;  // of all ranks' time
  double clockErrorSeconds = 0;
  std::vector<std::string> rankNames;
};

TraceReport reportTrace(const plan::Plan& plan, const Trace& trace);

// The picture of the actions, each rank's times, each stage's beside what was predicted. Of `rank` only, unless it is -1;
// kListed: every collective and transfer by its name.
std::string traceText(const TraceReport& report, const PlanReport& predicted, int rank, StepListing steps);
// reportJson() with what was measured under "measured": seconds, idleFraction, runs, clockErrorSeconds; by rank, in seconds,
// computing, collectives, sending, receiving, idle; by stage seconds, microbatches and traffic; by microbatch seconds.
std::string withMeasured(const std::string& reportJson, const TraceReport& report, int rank);

// How each rank spent the run, for people:
//   rank 0 (pp=0): 81 % computing, 12 % in collectives, 4 % sending, 3 % idle
std::string traceSummary(const TraceReport& report);

}  // namespace shardwright
