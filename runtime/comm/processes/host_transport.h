// Owns messages between the processes of one host, over sockets that have no file and end with the processes. It needs no MPI.
#pragma once

#include <memory>

#include "runtime/comm/processes/launched_job.h"
#include "runtime/comm/processes/transport.h"

namespace shardwright {

// Whether the launcher has said all that these need: that there is one host, a name for the job, and which process this is.
bool canMeetInsideHost(const LaunchedJob& job);

// It waits for nobody: what is sent to a process that has not joined yet goes when it has, and what is sent to one that has
// ended is dropped.
std::unique_ptr<Transport> makeHostTransport(const LaunchedJob& job);

}  // namespace shardwright
