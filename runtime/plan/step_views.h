// Owns which windows of memory a step names, and whether it reads or writes them: one list for all kinds of steps. It does
// not own what the step does with them.
#pragma once

#include <string>
#include <vector>

#include "runtime/plan/plan.pb.h"

namespace shardwright {

enum class Access { kRead, kWrite, kReadWrite };

struct StepView {
  const plan::View* view;
  Access access;
  const char* role;  // "input", "output", "condition", …
  int index;         // among those of its role

  bool reads() const { return access != Access::kWrite; }
  bool writes() const { return access != Access::kRead; }
  std::string label() const { return std::string(role) + " " + std::to_string(index); }
};

// Those that are there (not absent), what is read first.
std::vector<StepView> viewsOf(const plan::Step& step);

// The expressions that the step itself names, views' and attributes' included, the guard excluded.
std::vector<uint32_t> exprsOf(const plan::Step& step);

// "kernel", "collective", "transfer", "wait", "bind", "call"; "none" if unset.
const char* stepKindName(const plan::Step& step);
// "all-reduce", "all-gather", …
const char* collectiveKindName(plan::CollectiveStep::Kind kind);

}  // namespace shardwright
