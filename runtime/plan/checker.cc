#include "runtime/plan/checker.h"

#include <algorithm>

#include "runtime/plan/mesh_ranks.h"
#include "runtime/plan/plan_checks.h"

namespace shardwright {
namespace {

constexpr int kMostRanksChecked = 64;

// All ranks of a small mesh; of a large one those whose coordinates are all first or last.
std::vector<int> ranksToCheck(const plan::Mesh& mesh) {
  std::vector<int> ranks;
  int n = numRanks(mesh);
  for (int rank = 0; rank < n; ++rank) {
    std::vector<int64_t> at = coordinatesOf(mesh, rank);
    bool corner = true;
    for (int i = 0; i < mesh.axes_size(); ++i) {
      int64_t c = at[static_cast<size_t>(i)];
      corner = corner && (c == 0 || c == mesh.axes(i).size() - 1);
    }
    if (n <= kMostRanksChecked || corner) ranks.push_back(rank);
  }
  return ranks;
}

}  // namespace

void Findings::add(int number, const std::string& where, const std::string& found, const std::string& allowed) {
  if (messages_.size() >= most_) {
    ++left_;
    return;
  }
  messages_.push_back("P" + std::to_string(number) + ": " + where + ": found " + found + ", allowed " + allowed);
}

std::vector<std::string> Findings::take() {
  if (left_ > 0) messages_.push_back("and " + std::to_string(left_) + " more");
  return std::move(messages_);
}

std::string quoted(const std::string& text) { return "'" + text + "'"; }
std::string inProgram(const plan::Program& program) { return "program " + quoted(program.name()); }
std::string inStep(const plan::Program& program, const plan::Step& step) {
  return inProgram(program) + " step " + quoted(step.name());
}

bool PlanUnderCheck::dependsOnAny(uint32_t expr, const std::vector<int>& slots) const {
  return std::any_of(slots.begin(), slots.end(), [&](int slot) { return table.dependsOn(expr, slot); });
}

std::vector<std::string> planViolations(const plan::Plan& plan, const CheckOptions& options) {
  Findings findings(options.maxMessages);
  checkTables(plan, findings);
  if (!findings.none()) return findings.take();
  StatusOr<ExprTable> table = ExprTable::make(plan);
  if (!table.ok()) return {"P2: " + table.status().message()};
  PlanUnderCheck checked{plan, std::move(*table), {}, {}, {}};
  for (int i = 0; i < plan.symbols_size(); ++i)
    (plan.symbols(i).run_time() ? checked.runTimeSlots : checked.sizeSlots).push_back(i);
  for (int i = 0; i < plan.mesh().axes_size(); ++i) checked.coordinateSlots.push_back(plan.symbols_size() + i);
  checkValues(checked, findings);
  checkPrograms(checked, findings);
  checkEntries(checked, findings);
  if (!findings.none()) return findings.take();
  checkRunTimeSymbols(checked, findings);
  for (int rank : ranksToCheck(plan.mesh())) {
    if (findings.none()) checkRank(checked, rank, findings);
  }
  checkKernels(plan, options, findings);
  if (findings.none()) checkRun(checked, findings);
  return findings.take();
}

Status checkPlan(const plan::Plan& plan, const CheckOptions& options) {
  std::vector<std::string> violations = planViolations(plan, options);
  if (violations.empty()) return Status();
  std::string message = "the plan breaks " + std::to_string(violations.size()) +
                        " constraint(s) of runtime/plan/README.md; compile the model again";
  for (const std::string& violation : violations) message += "\n  " + violation;
  return userError(std::move(message));
}

}  // namespace shardwright
