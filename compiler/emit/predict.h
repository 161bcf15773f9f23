// Owns the times that a plan is expected to take, step by step and stage by stage, at the assumed sizes. It does not own the
// formulas (compiler/target) nor what the steps are.
#pragma once

#include <vector>

#include "compiler/target/machine.h"
#include "runtime/plan/plan.pb.h"

namespace shardwright {

// Fills Step.predicted_seconds, of one microbatch on the first rank of the stage, and Plan.expected, of one run. `flops`: by
// program and step, at the assumed sizes; bytes follow from the steps' views. A collective that is waited for later takes its
// time there, less what has passed since it was started; several are under way one behind the other.
Status predictTimes(plan::Plan& plan, const std::vector<std::vector<double>>& flops, const Machine& machine);

}  // namespace shardwright
