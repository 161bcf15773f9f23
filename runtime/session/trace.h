// Owns what is known of traced runs once they are over, of all ranks, independent of where they ran: made from what the ranks
// noted, or read from a file. Its form in a file is trace_file.h's, what follows from it trace_report.h's.
#pragma once

#include <string>
#include <vector>

#include "runtime/exec/trace.h"
#include "runtime/plan/plan.pb.h"

namespace shardwright {

struct TracedEvent {
  // "chunk": an action, a chunk's program for one microbatch; "program": one that a step has called; else a step's kind.
  std::string kind;
  std::string name, op, axes;  // as shardview says them; of a wait, those of what it waits for
  std::vector<std::string> nodes;
  uint32_t run = 0, microbatch = 0, chunk = 0;
  int64_t begin = 0, end = 0;  // nanoseconds from the trace's first event on
  int64_t bytes = 0;           // of a collective or transfer, where it starts

  int64_t took() const { return end - begin; }
};

struct Trace {
  std::string fingerprint;  // of the plan
  // By rank, in order of their beginnings: a program before its first step. A rank's events lie in one another or apart.
  std::vector<std::vector<TracedEvent>> ranks;
  int64_t clockError = 0;  // nanoseconds by which the clocks of different processes may disagree
};

Trace traceOf(const plan::Plan& plan, const std::vector<const RankTrace*>& ranks, int64_t clockError);

}  // namespace shardwright
