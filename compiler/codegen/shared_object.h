// Owns linking: an object file in memory becomes a shared object in memory, by lld inside this process.
#pragma once

#include <string>

#include "runtime/base/status.h"

namespace shardwright {

// Exports what the object exports. kInternal if it refers to a symbol that it does not define; kEnvironment if temporary
// files cannot be used. Thread safe (one at a time). The same object gives the same bytes.
StatusOr<std::string> linkSharedObject(const std::string& object);

}  // namespace shardwright
