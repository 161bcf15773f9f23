// Owns what is said about a plan: mesh, ports, what each rank holds, which collectives a run makes. It computes the numbers
// from the plan at the symbols' assumed sizes; shardview prints them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/plan/plan.pb.h"
#include "runtime/plan/rank_memory.h"
#include "runtime/plan/schedule.h"

namespace shardwright {

struct PortReport {
  std::string name, dtype;
  std::vector<std::string> shape;                  // expressions
  std::vector<std::vector<std::string>> sharding;  // per dim the axes, major first
};

struct RankReport {
  int rank = 0, stage = 0;
  std::map<std::string, int64_t> coordinates;
  RankMemory memory;  // of the entry's runs
};

struct StepReport {
  std::string kind, name;
  std::vector<std::string> nodes;
  std::string op;                 // of a collective: its kind; of a kernel: its name; of a transfer: "send", "receive"
  std::vector<std::string> axes;  // of a collective
  int64_t bytes = 0;              // of a collective or transfer
  std::string value;              // of a transfer: what it moves a piece of
  int peerStage = -1;             // of a transfer
};

struct CollectiveTotal {
  int64_t count = 0, bytes = 0;
};

// A value that a stage sends or receives, all pieces and microbatches of one run added.
struct MovedValue {
  std::string name;
  int64_t bytes = 0;
};

struct StageReport {
  int stage = 0;
  int64_t numNodes = 0;                         // of ONNX, that its steps come from
  int64_t weightBytes = 0, temporaryBytes = 0;  // of the rank that has most
  double predictedSeconds = 0;                  // of one run
  std::vector<std::string> programs;
  std::map<std::string, CollectiveTotal> collectives;  // by kind; what branches and loops hold counts once
  std::map<std::string, CollectiveTotal> transfers;    // "send", "receive": with other stages
  std::map<std::pair<std::string, int>, std::vector<MovedValue>> values;  // by "send" or "receive" and the other stage
  std::vector<StepReport> steps;
};

struct PlanReport {
  std::string producer, model, target;
  std::vector<std::pair<std::string, int64_t>> mesh;
  std::vector<std::pair<std::string, int64_t>> assumed;  // symbols
  std::vector<std::string> entries;
  std::string entry;  // the one that stages, peaks and times belong to
  std::vector<PortReport> inputs, outputs;
  std::vector<RankReport> ranks;
  std::vector<StageReport> stages;
  int64_t memoryLimitBytes = 0;  // that no rank passes at the assumed sizes; 0: none was stated
  double predictedSeconds = 0;   // of one run: of the slowest stage, or of the pipeline under its schedule
  std::string schedule;          // of a pipeline's microbatches; empty otherwise
  uint32_t microbatches = 1;
  Timeline timeline;        // predicted, by stage
  double idleFraction = 0;  // of the timeline
};

// `entry` empty: the first that is not init. The plan satisfies the checker. Bytes of a collective are those of the larger
// of what goes in and what comes out on a rank, the first of the stage, all microbatches of one run added.
StatusOr<PlanReport> reportPlan(const plan::Plan& plan, const std::string& entry);

enum class StepListing { kLeftOut, kListed };
// `rank` -1: all.
std::string reportText(const PlanReport& report, int rank, StepListing steps);
// The keys are those that ARCHITECTURE fixes, and entry, entries, assumed, stateBytes, lowerBoundBytes; by stage stageSeconds
// and transfers, of transfer steps value and peerStage; microbatches, schedule and idleFraction of a pipeline.
std::string reportJson(const PlanReport& report, int rank);

}  // namespace shardwright
