// Owns the proof of a sharding rule by execution: every op of a sample, with every factor that its rule lets be split, computes on
// every mesh what it computes whole. It uses the compiler's own passes, plan and runtime.
#pragma once

#include <functional>

#include "runtime/base/status.h"
#include "tests/ops/rule_samples.h"

namespace shardwright {

struct RuleValidation {
  int numVariants = 0;                // splits tried
  std::vector<std::string> failures;  // "CumSum, " d0 !v -> d0 !v", v over a of a=2: element 3 is 5, whole it is 9"
};

// Rewrites rules before they are parsed, to see that a wrong one is found out; empty: as they are.
using RuleMutation = std::function<std::string(const std::string&)>;

// Ops that are composed of others are validated as they are and, once more, as what they are composed of.
// A failure to compile or run is a failure of the status, with the sample's name.
StatusOr<RuleValidation> validateRules(const RuleSample& sample, const std::string& mesh,
                                       const RuleMutation& mutate = {});

}  // namespace shardwright
