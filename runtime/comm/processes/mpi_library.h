// Owns finding and loading the MPI plug-in. It calls nothing of it.
#pragma once

#include <string>

#include "runtime/base/status.h"
#include "runtime/comm/mpi/mpi_table.h"

namespace shardwright {

// The plug-in beside this program, or in lib/ beside its folder. It stays loaded until the program ends.
StatusOr<const ShardwrightMpiTable*> loadMpi();
StatusOr<const ShardwrightMpiTable*> loadMpi(const std::string& path);

}  // namespace shardwright
