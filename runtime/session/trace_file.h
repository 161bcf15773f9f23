// Owns the form of a trace in a file: the Trace Event Format that chrome://tracing and Perfetto open. It measures nothing.
#pragma once

#include <string>

#include "runtime/base/status.h"
#include "runtime/session/trace.h"

namespace shardwright {

// A process per stage with a thread per rank, under its coordinates; complete events ("X") in order of their beginnings,
// nested; the plan's fingerprint and the clocks' error in "otherData". An event's arguments are the run, microbatch, chunk and
// stage, and what shardview calls its op, axes, bytes and node.
std::string traceJson(const plan::Plan& plan, const Trace& trace);

// What traceJson() has written of runs of this plan. kUserError, beginning with `where`, for anything else.
StatusOr<Trace> readTrace(const plan::Plan& plan, const std::string& json, const std::string& where);

}  // namespace shardwright
