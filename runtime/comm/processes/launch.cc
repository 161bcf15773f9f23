#include "runtime/comm/processes/launch.h"

#include <utility>

#include "runtime/comm/processes/host_transport.h"
#include "runtime/comm/processes/mpi_transport.h"

namespace shardwright {

std::unique_ptr<ProcessLink> joinProcesses(const std::string& world, std::chrono::milliseconds timeout,
                                           ProcessLink::Ending ending) {
  LaunchedJob job = launchedJob();
  if (world == "local" || (world == "auto" && job.numProcesses < 2)) return nullptr;
  bool needsMpi = world == "mpi" || !canMeetInsideHost(job);
  return ProcessLink::join(needsMpi ? makeMpiTransport() : makeHostTransport(job), timeout, std::move(ending));
}

}  // namespace shardwright
