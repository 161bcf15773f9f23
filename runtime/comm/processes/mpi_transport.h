// Owns messages between processes of any hosts over MPI: finding and loading the plug-in, and calling what it offers.
#pragma once

#include <memory>
#include <string>

#include "runtime/base/status.h"
#include "runtime/comm/processes/transport.h"

namespace shardwright {

// The plug-in beside this program, or in lib/ beside its folder. It stays loaded until the program ends.
// join() waits for all processes, and so does leave().
StatusOr<std::unique_ptr<Transport>> makeMpiTransport();
StatusOr<std::unique_ptr<Transport>> makeMpiTransport(const std::string& path);

}  // namespace shardwright
