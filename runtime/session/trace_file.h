// Owns the form of a trace: the Trace Event Format that chrome://tracing and Perfetto open. It measures nothing.
#pragma once

#include <string>
#include <vector>

#include "runtime/exec/trace.h"
#include "runtime/plan/plan.pb.h"

namespace shardwright {

// One row per rank, under its coordinates; times from the first event on. An event's arguments are what shardview calls its
// node, op, axes and bytes, and the microbatch; around a chunk's steps lies one event of the chunk.
std::string traceJson(const plan::Plan& plan, const std::vector<const RankTrace*>& ranks);

// How the ranks of each stage spent the traced runs, for people:
//   rank 0 (pp=0): 81 % computing, 12 % in collectives, 4 % in transfers, 3 % idle
std::string traceSummary(const plan::Plan& plan, const std::vector<const RankTrace*>& ranks);

}  // namespace shardwright
