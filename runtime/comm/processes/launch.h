// Owns meeting the other processes of the job that a launcher started. It starts none.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "runtime/comm/processes/process_link.h"

namespace shardwright {

// `world` is "local": all ranks are of this process; "auto": of those that a launcher started, if there are several, which
// meet over MPI only where they are on several hosts; "mpi": over MPI anyway. Null for all in this process.
std::unique_ptr<ProcessLink> joinProcesses(const std::string& world, std::chrono::milliseconds timeout,
                                           ProcessLink::Ending ending);

}  // namespace shardwright
