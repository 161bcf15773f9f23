#include "runtime/comm/processes/launched_job.h"

#include <cstdlib>

namespace shardwright {
namespace {

std::string textIn(const char* variable) {
  const char* text = std::getenv(variable);
  return text ? text : "";
}

int numberIn(const char* variable, int otherwise) {
  const char* text = std::getenv(variable);
  return text && *text ? std::atoi(text) : otherwise;
}

}  // namespace

LaunchedJob launchedJob() {
  if (int count = numberIn("OMPI_COMM_WORLD_SIZE", 0)) {
    std::string space = textIn("PMIX_NAMESPACE"), server = textIn("PMIX_SERVER_URI2");
    return {count, numberIn("OMPI_COMM_WORLD_RANK", -1), numberIn("OMPI_COMM_WORLD_LOCAL_SIZE", 0),
            space.empty() || server.empty() ? "" : space + "@" + server};
  }
  // Slurm sets the number for a batch script too, which is one process; the step is srun's alone.
  std::string step = textIn("SLURM_STEP_ID");
  std::string name = step.empty() ? "" : "slurm-" + textIn("SLURM_JOB_ID") + "." + step;
  int count = numberIn("PMI_SIZE", 0);
  if (count > 0) {
    return {count, numberIn("PMI_RANK", -1), numberIn("MPI_LOCALNRANKS", 0), name};
  }
  count = step.empty() ? 0 : numberIn("SLURM_STEP_NUM_TASKS", 0);
  if (count == 0) return {};
  int local = numberIn("SLURM_STEP_NUM_NODES", 0) == 1 ? count : 0;
  return {count, numberIn("SLURM_PROCID", -1), local, name};
}

}  // namespace shardwright
