// Owns the refusal of plans that need more memory than a rank may have. What they need is runtime/plan's to say.
#pragma once

#include <cstdint>

#include "runtime/base/status.h"
#include "runtime/plan/plan.pb.h"

namespace shardwright {

// kUserError that names the rank that needs most, if its weights, states and temporaries at the assumed sizes are more than
// `bytes`.
Status checkMemoryLimit(const plan::Plan& plan, int64_t bytes);

}  // namespace shardwright
