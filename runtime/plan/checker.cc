#include "runtime/plan/checker.h"

#include <algorithm>

#include "runtime/plan/plan_checks.h"
#include "runtime/plan/rank_classes.h"

namespace shardwright {
namespace {

// Sizes to check at, without coordinates, and what to call them.
struct Sizes {
  ExprTable::Symbols symbols;
  std::string text;
};

// The least multiple of the divisor that is at least `value`; the assumed size if the range has none.
int64_t leastSize(const plan::Symbol& s, int64_t value) {
  __int128 size = (static_cast<__int128>(value) + s.divisor() - 1) / s.divisor() * s.divisor();
  return size <= s.max() ? static_cast<int64_t>(size) : s.assumed();
}

int64_t microbatchesOf(const plan::Plan& plan, const std::string& symbol) {
  int64_t most = 1;
  for (const plan::Entry& e : plan.entries())
    if (e.microbatch_symbol() == symbol) most = std::max<int64_t>(most, e.microbatches());
  return most;
}

// The assumed sizes; then the least ones, and odd ones a little beyond the assumed.
std::vector<Sizes> sizesToCheck(const PlanUnderCheck& checked, CheckDepth depth) {
  Sizes assumed{checked.table.noSymbols(), ""};
  checked.table.bindAssumed(assumed.symbols);
  std::vector<Sizes> result{assumed};
  if (depth == CheckDepth::kAssumedSizes || checked.sizeSlots.empty()) return result;
  Sizes least = assumed, odd = assumed;
  // What is known at run time only is bounded by the sizes; at the others, the least is possible.
  for (int slot : checked.runTimeSlots)
    least.symbols[static_cast<size_t>(slot)] = odd.symbols[static_cast<size_t>(slot)] =
        checked.plan.symbols(slot).min();
  int64_t more = 1;
  for (int slot : checked.sizeSlots) {
    const plan::Symbol& s = checked.plan.symbols(slot);
    auto at = static_cast<size_t>(slot);
    least.symbols[at] = leastSize(s, std::max<int64_t>(s.min(), 1));
    __int128 larger = s.assumed() + static_cast<__int128>(more++) * s.divisor();
    if (larger <= s.max()) odd.symbols[at] = static_cast<int64_t>(larger);
  }
  for (int slot : checked.sizeSlots) {
    const plan::Symbol& s = checked.plan.symbols(slot);
    if (s.part_of().empty()) continue;
    // Of the parts of an odd size take the smaller one, of the least size the larger one: the smaller does not run.
    auto whole = static_cast<size_t>(checked.table.slot(s.part_of())), at = static_cast<size_t>(slot);
    int64_t parts = microbatchesOf(checked.plan, s.part_of());
    least.symbols[at] = (least.symbols[whole] - 1) / parts + 1;
    odd.symbols[at] = std::max<int64_t>(odd.symbols[whole] / parts, 1);
  }
  for (Sizes* sizes : {&least, &odd}) {
    for (int slot : checked.sizeSlots)
      sizes->text += (sizes->text.empty() ? " at " : ", ") + checked.plan.symbols(slot).name() + "=" +
                     std::to_string(sizes->symbols[static_cast<size_t>(slot)]);
    result.push_back(std::move(*sizes));
  }
  return result;
}

bool runsAt(const plan::Entry& entry, const std::vector<int64_t>& values) {
  return std::all_of(entry.guards().begin(), entry.guards().end(), [&](const plan::Entry::Guard& g) {
    return g.lower() <= values[g.expr()] && values[g.expr()] <= g.upper();
  });
}

// At other sizes than the assumed ones only those entries are looked at that run there.
void checkAtSizes(const PlanUnderCheck& checked, const Sizes& sizes, CheckDepth depth, Findings& findings) {
  StatusOr<RankClasses> classes = RankClasses::make(checked, sizes.symbols);
  bool isAssumed = sizes.text.empty();
  if (!classes.ok()) {
    if (isAssumed) findings.add(14, "plan", classes.status().message(), "values at the assumed sizes");
    return;
  }
  SizesUnderCheck at{std::move(*classes), {}, sizes.text, sizes.symbols};
  for (const plan::Entry& e : checked.plan.entries())
    if (isAssumed || runsAt(e, at.classes.values(0))) at.entries.push_back(&e);
  for (int cls = 0; cls < at.classes.size(); ++cls)
    if (findings.none()) checkRank(checked, at, cls, findings);
  if (findings.none()) checkGroups(checked, at, findings);
  if (findings.none()) checkRun(checked, at, findings);
  for (int cls = 0; cls < at.classes.size(); ++cls) {
    if (findings.none()) checkWritten(checked, at, cls, findings);
    if (findings.none() && depth == CheckDepth::kProof) checkPacking(checked, at, cls, findings);
  }
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
  std::string nodes;
  for (int i = 0; i < step.nodes_size() && i < 3; ++i) nodes += (i ? ", " : " (node ") + quoted(step.nodes(i));
  if (step.nodes_size() > 3) nodes += ", …";
  return inProgram(program) + " step " + quoted(step.name()) + nodes + (nodes.empty() ? "" : ")");
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
  for (const Sizes& sizes : sizesToCheck(checked, options.depth))
    if (findings.none()) checkAtSizes(checked, sizes, options.depth, findings);
  checkKernels(plan, options, findings);
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
