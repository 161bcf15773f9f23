#include "runtime/comm/processes/launch.h"

#include <utility>

#include "runtime/comm/processes/mpi_library.h"

namespace shardwright {

std::unique_ptr<ProcessLink> joinProcesses(const std::string& world, std::chrono::milliseconds timeout,
                                           ProcessLink::Ending ending) {
  if (world == "local" || (world == "auto" && launchedJob().numProcesses < 2)) return nullptr;
  return ProcessLink::join(loadMpi(), timeout, std::move(ending));
}

}  // namespace shardwright
