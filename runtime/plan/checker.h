// Owns the checking of a plan against the constraints P1…Pn of README.md. It checks the plan alone: the files beside it
// are checked as they are read (plan_io.h), what kernels need through the caller's verifier.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/plan/plan.pb.h"

namespace shardwright {

struct CheckOptions {
  // Of a kernel step of the program: a failure's message becomes a violation of P19. May be empty.
  std::function<Status(const plan::Plan&, const plan::Program&, const plan::Step&)> verifyKernel;
  size_t maxMessages = 20;
};

// One message per violation, "P7: program 'main' step 'x': found …, allowed …"; empty if the plan holds. What depends on
// sizes is checked at the symbols' assumed values, on every rank of a mesh of at most 64, else on its corners.
std::vector<std::string> planViolations(const plan::Plan& plan, const CheckOptions& options = {});

// kUserError with all messages: a plan that was read. The compiler, which made it, calls it internal.
Status checkPlan(const plan::Plan& plan, const CheckOptions& options = {});

}  // namespace shardwright
