// Owns what mpirun, mpiexec or srun says in the environment of the processes that it starts. It asks nobody else.
#pragma once

#include <string>

namespace shardwright {

struct LaunchedJob {
  int numProcesses = 0;  // 0 where there is no launcher
  int process = -1;      // -1: not said
  int numLocal = 0;      // those of this host; 0: not said
  // The same for all processes of this host, and no other job of it; "" where nothing is said that is so.
  std::string name;
  bool isOneHost() const { return numProcesses > 0 && numLocal == numProcesses; }
};

LaunchedJob launchedJob();

}  // namespace shardwright
