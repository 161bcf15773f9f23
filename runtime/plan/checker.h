// Owns the checking of a plan against the constraints P1…Pn of README.md. It checks the plan alone: the files beside it
// are checked as they are read (plan_io.h), what kernels need through the caller's verifier.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/plan/plan.pb.h"

namespace shardwright {

// How much is proven. What a session can afford at each load, or all.
enum class CheckDepth {
  kAssumedSizes,  // at the symbols' assumed values
  kProof,         // at other sizes too, and with temporaries packed
};

struct CheckOptions {
  // Of a kernel step of the program: a failure's message becomes a violation of P19. May be empty.
  std::function<Status(const plan::Plan&, const plan::Program&, const plan::Step&)> verifyKernel;
  size_t maxMessages = 20;
  CheckDepth depth = CheckDepth::kAssumedSizes;
};

// One message per violation, "P7: program 'main' step 'x': found …, allowed …"; empty if the plan holds. What depends on
// sizes holds on every rank: ranks whose programs have the same numbers are looked at once, and of sets of ranks that talk
// to each other in the same way one is run.
std::vector<std::string> planViolations(const plan::Plan& plan, const CheckOptions& options = {});

// kUserError with all messages: a plan that was read. The compiler, which made it, calls it internal.
Status checkPlan(const plan::Plan& plan, const CheckOptions& options = {});

}  // namespace shardwright
