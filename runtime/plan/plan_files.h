// Owns the complete check of the files beside a plan: every section's bytes and every weight chunk against the checksums
// in the plan. A session checks only what its ranks read, as it reads it.
#pragma once

#include <string>
#include <vector>

#include "runtime/plan/plan.pb.h"

namespace shardwright {

// One message per damaged, missing or wrong file; empty if all are as the plan says.
std::vector<std::string> damagedFiles(const std::string& folder, const plan::Plan& plan);

}  // namespace shardwright
