#include "runtime/comm/processes/launch.h"

#include <cstdlib>
#include <utility>

#include "runtime/comm/processes/mpi_library.h"

namespace shardwright {
namespace {

int numberIn(const char* variable) {
  const char* text = std::getenv(variable);
  return text ? std::atoi(text) : 0;
}

}  // namespace

int launchedProcesses() {
  for (const char* variable : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"}) {
    if (int number = numberIn(variable)) return number;
  }
  // Slurm sets the number for a batch script too, which is one process; the step is srun's alone.
  return std::getenv("SLURM_STEP_ID") ? numberIn("SLURM_STEP_NUM_TASKS") : 0;
}

StatusOr<std::unique_ptr<ProcessLink>> joinProcesses(const std::string& world, std::chrono::milliseconds timeout,
                                                     ProcessLink::OnHang onHang) {
  int launched = launchedProcesses();
  if (world == "local" || (world == "auto" && launched < 2)) return std::unique_ptr<ProcessLink>();
  SW_ASSIGN_OR_RETURN(const ShardwrightMpiTable* mpi, loadMpi());
  SW_ASSIGN_OR_RETURN(auto link, ProcessLink::join(mpi, timeout, std::move(onHang)));
  if (launched < 2 || link->numProcesses() == launched) return link;
  return environmentError(
      "the launcher started " + std::to_string(launched) + " processes, and MPI knows of " +
      std::to_string(link->numProcesses()) +
      ": mpirun is of another MPI than libshardwright_mpi.so was built with; use that one's mpirun");
}

}  // namespace shardwright
