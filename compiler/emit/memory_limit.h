// Owns the stating of what a rank may hold, and the refusal of plans that need more. What they need is runtime/plan's to say.
#pragma once

#include <cstdint>

#include "runtime/base/status.h"
#include "runtime/plan/plan.pb.h"

namespace shardwright {

// States the limit in the plan, for its checker. kUserError that names the rank that needs most, if its weights, states and
// temporaries at the assumed sizes are more than `bytes`.
Status limitMemory(plan::Plan& plan, int64_t bytes);

}  // namespace shardwright
