// Owns how weight files are found and opened, and the complete check of the files beside a plan: every section's bytes and
// every weight chunk against the checksums in the plan. A session checks only what its ranks read, as it reads it.
#pragma once

#include <string>
#include <vector>

#include "runtime/base/safetensors.h"
#include "runtime/plan/plan.pb.h"

namespace shardwright {

// Opens file `index` of a weight set; kUserError if its header is not the one that the plan was written with.
StatusOr<SafetensorsFile> openWeightFile(const std::string& folder, const plan::Plan& plan, int weightSet,
                                         int64_t index);

bool isWeightFile(const plan::Section& section);

// One message per damaged, missing or wrong file; empty if all are as the plan says.
std::vector<std::string> damagedFiles(const std::string& folder, const plan::Plan& plan);

}  // namespace shardwright
