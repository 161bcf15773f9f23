// Owns the question whether this process is one of several that a launcher started, and meeting the others then. It starts
// none.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "runtime/comm/processes/process_link.h"

namespace shardwright {

// How many processes mpirun, mpiexec or srun says that it started, from the environment; 0 where there is no launcher.
int launchedProcesses();

// `world` is "local": null, all ranks are of this process; "mpi": the processes of the MPI job; "auto": those, if a launcher
// started several, else null. onHang: see ProcessLink::join.
StatusOr<std::unique_ptr<ProcessLink>> joinProcesses(const std::string& world, std::chrono::milliseconds timeout,
                                                     ProcessLink::OnHang onHang);

}  // namespace shardwright
