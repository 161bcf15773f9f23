// Owns the proof of a sharding rule by execution: every op of a sample, with every factor that its rule lets be split, computes on
// every mesh what it computes whole. It uses the compiler's own passes, plan and runtime.
#pragma once

#include <set>

#include "tests/ops/rule_samples.h"
#include "tests/ops/rule_variants.h"

namespace shardwright {

struct RuleValidation {
  std::set<std::string> ops;  // those that were split, "domain.Name" or "Name", and those that import made of them
  int numVariants = 0;        // splits tried
  std::vector<std::string> failures;  // "CumSum, " d0 !v -> d0 !v", v over a of a=2: element 3 is 5, whole it is 9"
};

// Ops that are composed of others are validated as they are and, once more, as what they are composed of.
// A failure to compile or run is a failure of the status, with the sample's name.
StatusOr<RuleValidation> validateRules(const RuleSample& sample, const std::string& mesh);

// One wrong rule, and whether it was found out: by other numbers, a refusal or an assertion.
struct FaultyRule {
  std::string op, description;
  bool isFound = false;
};

// Every rule of the sample with the fault, where it changes something. Runs in other processes; no other thread may run in this one.
StatusOr<std::vector<FaultyRule>> validateFaults(const RuleSample& sample, const std::string& mesh, RuleFault fault);

}  // namespace shardwright
