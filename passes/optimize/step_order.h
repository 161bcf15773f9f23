// Owns the order of a program's steps: which collectives are under way while something else is computed, and when values of
// other stages are taken and given. It knows steps by number only; the pass is schedule_steps.cc.
#pragma once

#include <cstdint>
#include <vector>

namespace shardwright {

struct OrderedStep {
  enum class Kind { kCompute, kCollective, kSend, kReceive };
  Kind kind = Kind::kCompute;
  double seconds = 0;            // that the rank's threads need for it
  double backgroundSeconds = 0;  // of a collective: what passes meanwhile, whatever the threads do
  int group = 0;                 // of a collective
  bool mayOverlap = true;        // of a collective: others may run between its start and its wait
  std::vector<int> needs;        // earlier steps whose results it reads
  int64_t bytes = 0;             // of its results, which live until the last step that reads them has ended
};

struct StepAction {
  enum class Kind { kRun, kStart, kWait };
  Kind kind = Kind::kRun;
  int step = 0;
  bool operator==(const StepAction& other) const { return kind == other.kind && step == other.step; }
};

struct StepOrder {
  std::vector<StepAction> actions;
  double seconds = 0;     // until the last one has ended; collectives are under way one behind the other
  int64_t peakBytes = 0;  // of results, packed as the runtime does
};

// Step by step as they are given.
StepOrder givenOrder(const std::vector<OrderedStep>& steps);

// Of three orders the one that takes least time, if it saves a thousandth; none takes more than peakBytes, unless the first does
// already: the given one; the given one, but where a step would wait for a collective later ones are done before it; and one
// that does first what most collectives wait for. Collectives start when their operands are there, at most
// kMaxUnderWay of a group, and are waited for in the order of their starts. A send comes as soon as it can, a receive when
// nothing else is left to be done.
//   q, k, v, gather k, gather v, attention  ->  k, start k, v, start v, q, wait k, wait v, attention
// The result depends on nothing but the steps; every rank of a group must be given the same.
StepOrder bestOrder(const std::vector<OrderedStep>& steps, int64_t peakBytes);

constexpr int kMaxUnderWay = 7;  // Communicator::kMaxPending, less one that is not asynchronous

}  // namespace shardwright
