// Owns how the processes of one host find memory that they have in common. It puts nothing there.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "runtime/comm/processes/process_link.h"
#include "runtime/comm/shared/shared_region.h"

namespace shardwright {

// All of `processes`, of which this is one, call it in the same order; they wait for each other as long as failed() is false.
// They have memory in common if each reads in it what its maker has told by message; null if one of them does not.
std::unique_ptr<SharedRegion> meetInMemory(ProcessLink& link, uint32_t epoch, const std::vector<int>& processes,
                                           const std::function<bool()>& failed);

}  // namespace shardwright
