// P24 and P26 to P29: calls, entries, microbatch actions, init, target.
#include <algorithm>
#include <cmath>
#include <set>

#include "runtime/base/dtype.h"
#include "runtime/plan/mesh_ranks.h"
#include "runtime/plan/plan_checks.h"
#include "runtime/plan/step_views.h"

namespace shardwright {
namespace {

// --- P24 ----------------------------------------------------------------------------------------------------------------

class CallCheck {
 public:
  CallCheck(const plan::Plan& plan, Findings& findings)
      : plan_(plan), findings_(findings), state_(static_cast<size_t>(plan.programs_size()), kNew) {}

  void all() {
    for (int i = 0; i < plan_.programs_size(); ++i) visit(i);
    for (const plan::Program& p : plan_.programs())
      for (const plan::Step& s : p.steps())
        if (s.has_call()) call(p, s);
  }

 private:
  enum State { kNew, kOpen, kDone };

  void visit(int index) {
    State& state = state_[static_cast<size_t>(index)];
    if (state == kDone) return;
    if (state == kOpen)
      return findings_.add(24, inProgram(plan_.programs(index)), "a call that leads back to it",
                           "calls without a cycle");
    state = kOpen;
    for (const plan::Step& s : plan_.programs(index).steps())
      for (uint32_t called : s.call().programs()) visit(static_cast<int>(called));
    state_[static_cast<size_t>(index)] = kDone;
  }

  void call(const plan::Program& p, const plan::Step& s) {
    const plan::CallStep& c = s.call();
    std::string where = inStep(p, s);
    bool isIf = c.kind() == plan::CallStep::IF, isLoop = c.kind() == plan::CallStep::LOOP;
    findings_.require(c.programs_size() == (isIf ? 2 : 1), 24, where, std::to_string(c.programs_size()) + " programs",
                      isIf ? "two, then and else" : "one");
    bool hasCondition = c.has_condition() && !c.condition().absent(),
         hasCount = c.has_trip_count() && !c.trip_count().absent();
    findings_.require(isLoop || (hasCondition == isIf && !hasCount), 24, where,
                      "a condition or trip count that does not belong",
                      "a condition for IF, either for LOOP, none for CALL");
    findings_.require(!isLoop || hasCondition || hasCount, 24, where, "a loop without an end",
                      "a condition or a trip count");
    scalar(c.condition(), hasCondition, DType::kBool, where + " condition");
    scalar(c.trip_count(), hasCount, DType::kInt64, where + " trip count");
    findings_.require(
        isLoop ? c.carried_size() <= c.outputs_size() : c.carried_size() == 0, 24, where,
        std::to_string(c.carried_size()) + " carried values for " + std::to_string(c.outputs_size()) + " outputs",
        "carried values of a LOOP, each with its output");
    for (int k = 0; k < std::min(c.carried_size(), c.outputs_size()); ++k)
      findings_.require(c.carried(k).dtype() == c.outputs(k).dtype() &&
                            std::equal(c.carried(k).dims().begin(), c.carried(k).dims().end(),
                                       c.outputs(k).dims().begin(), c.outputs(k).dims().end()),
                        24, where + " carried value " + std::to_string(k), "another type or dims than its output's",
                        "the same");
    findings_.require(isLoop || c.iteration_symbol() == 0, 24, where, "an iteration symbol", "one of a LOOP only");
    for (uint32_t called : c.programs()) callee(c, plan_.programs(static_cast<int>(called)), where);
  }

  void scalar(const plan::View& v, bool present, DType type, const std::string& where) {
    if (!present) return;
    findings_.require(v.dtype() == static_cast<int32_t>(type), 24, where, "element type " + std::to_string(v.dtype()),
                      std::string(dtypeName(type)));
  }

  void callee(const plan::CallStep& c, const plan::Program& called, const std::string& where) {
    findings_.require(called.sub_program(), 24, where, "a call of " + inProgram(called), "programs marked sub_program");
    for (const plan::Buffer& b : called.buffers()) {
      if (b.kind() != plan::Buffer::CAPTURE) continue;
      std::string inBuffer = inProgram(called) + " capture " + quoted(b.name()) + " called by " + where;
      auto k = static_cast<int>(b.source());
      bool exists = b.source() < static_cast<uint32_t>(c.captures_size() + c.outputs_size());
      findings_.require(
          exists, 24, inBuffer, "source " + std::to_string(b.source()),
          std::to_string(c.captures_size()) + " captures and " + std::to_string(c.outputs_size()) + " outputs");
      if (!exists) continue;
      const plan::View& v = k < c.captures_size() ? c.captures(k) : c.outputs(k - c.captures_size());
      findings_.require(!v.absent() && v.dtype() == b.dtype(), 24, inBuffer,
                        "element type " + std::to_string(b.dtype()),
                        std::to_string(v.dtype()) + ", that of the caller's window");
    }
  }

  const plan::Plan& plan_;
  Findings& findings_;
  std::vector<State> state_;
};

// --- P26, P27 -------------------------------------------------------------------------------------------------------------

constexpr uint32_t kMostMicrobatches = 1 << 12;

void checkActions(const plan::Entry& e, const plan::Entry::StagePrograms& stage, const std::string& where,
                  Findings& findings) {
  uint32_t microbatches = std::max(e.microbatches(), 1u);
  std::set<std::tuple<int, uint32_t, uint32_t>> seen;
  for (const plan::Entry::Action& a : stage.actions()) {
    bool holds = a.microbatch() < microbatches && seen.emplace(a.kind(), a.microbatch(), a.chunk()).second;
    findings.require(
        holds, 27, where,
        "action on microbatch " + std::to_string(a.microbatch()) + " of chunk " + std::to_string(a.chunk()),
        "microbatches 0 to " + std::to_string(microbatches - 1) + ", each action once");
  }
  if (stage.actions_size() == 0) return;
  for (uint32_t c = 0; c < static_cast<uint32_t>(stage.chunks_size()); ++c) {
    uint32_t count = 0, optimizes = 0;
    for (const plan::Entry::Action& a : stage.actions()) {
      count += a.chunk() == c ? 1 : 0;
      optimizes += a.chunk() == c && a.kind() == plan::Entry::Action::OPTIMIZE ? 1 : 0;
    }
    findings.require(count == (optimizes > 0 ? 1 : microbatches), 27, where,
                     std::to_string(count) + " actions on chunk " + std::to_string(c),
                     "one for each of " + std::to_string(microbatches) + " microbatches, or one that optimizes");
  }
}

void checkEntry(const PlanUnderCheck& checked, const plan::Entry& e, Findings& findings) {
  const plan::Plan& plan = checked.plan;
  std::string where = "entry " + quoted(e.name());
  findings.require(e.stages_size() == numStages(plan.mesh()), 26, where, std::to_string(e.stages_size()) + " stages",
                   std::to_string(numStages(plan.mesh())) + ", the size of axis pp");
  for (const plan::Entry::Guard& g : e.guards()) {
    bool holds = g.lower() <= g.upper() && !checked.dependsOnAny(g.expr(), checked.coordinateSlots) &&
                 !checked.dependsOnAny(g.expr(), checked.runTimeSlots);
    findings.require(holds, 26, where,
                     "guard " + std::to_string(g.lower()) + " <= " + plan.exprs(static_cast<int>(g.expr())) +
                         " <= " + std::to_string(g.upper()),
                     "a range of an expression over sizes");
  }
  findings.require(e.microbatches() <= kMostMicrobatches, 27, where, std::to_string(e.microbatches()) + " microbatches",
                   "at most " + std::to_string(kMostMicrobatches));
  if (e.microbatches() > 1 || !e.microbatch_symbol().empty()) {
    int slot = checked.table.slot(e.microbatch_symbol());
    bool holds = slot >= 0 && slot < plan.symbols_size() && !plan.symbols(slot).run_time();
    findings.require(holds, 27, where, "microbatch symbol " + quoted(e.microbatch_symbol()),
                     "a declared symbol of the inputs");
    auto parts = std::count_if(plan.symbols().begin(), plan.symbols().end(),
                               [&](const plan::Symbol& s) { return s.part_of() == e.microbatch_symbol(); });
    findings.require(parts == 1, 27, where, std::to_string(parts) + " symbols for a part of " + e.microbatch_symbol(),
                     "one");
  }
  for (int i = 0; i < e.stages_size(); ++i) {
    std::string inStage = where + " stage " + std::to_string(i);
    std::set<uint32_t> chunks;
    for (uint32_t c : e.stages(i).chunks())
      findings.require(!plan.programs(static_cast<int>(c)).sub_program() && chunks.insert(c).second, 26, inStage,
                       "chunk " + inProgram(plan.programs(static_cast<int>(c))),
                       "programs that are no sub-programs, each once");
    checkActions(e, e.stages(i), inStage, findings);
  }
}

// --- P28 ------------------------------------------------------------------------------------------------------------------

void checkInitProgram(const PlanUnderCheck& checked, const plan::Program& p, std::set<uint32_t>& written,
                      Findings& findings) {
  for (const plan::Buffer& b : p.buffers()) {
    bool holds = b.kind() != plan::Buffer::INPUT && b.kind() != plan::Buffer::OUTPUT && b.kind() != plan::Buffer::STATE;
    findings.require(holds, 28, inProgram(p) + " buffer " + quoted(b.name()), "a port or state",
                     "temporaries, constants and captures at load");
    findings.require(!checked.dependsOnAny(b.count(), checked.sizeSlots), 28,
                     inProgram(p) + " buffer " + quoted(b.name()),
                     "count " + checked.plan.exprs(static_cast<int>(b.count())), "sizes that are known at load");
  }
  for (const plan::Step& s : p.steps()) {
    for (const StepView& v : viewsOf(s)) {
      const plan::Buffer& b = p.buffers(static_cast<int>(v.view->buffer()));
      if (v.writes() && b.kind() == plan::Buffer::CONSTANT) written.insert(b.source());
    }
    for (uint32_t called : s.call().programs())
      checkInitProgram(checked, checked.plan.programs(static_cast<int>(called)), written, findings);
  }
}

void checkInit(const PlanUnderCheck& checked, Findings& findings) {
  const plan::Plan& plan = checked.plan;
  std::set<uint32_t> written;
  for (const plan::Entry& e : plan.entries()) {
    if (e.name() != "init") continue;
    findings.require(e.guards_size() == 0 && e.microbatches() <= 1, 28, "entry 'init'", "guards or microbatches",
                     "none at load");
    for (const plan::Entry::StagePrograms& stage : e.stages())
      for (uint32_t c : stage.chunks())
        checkInitProgram(checked, plan.programs(static_cast<int>(c)), written, findings);
  }
  for (int i = 0; i < plan.constants_size(); ++i) {
    const plan::Constant& c = plan.constants(i);
    bool isEmpty = std::any_of(c.dims().begin(), c.dims().end(), [](uint32_t d) { return d == 0; });
    bool stored = c.weight_set() > 0 || !c.inline_data().empty() || isEmpty;
    findings.require(stored || written.count(static_cast<uint32_t>(i)) > 0, 28, "constant " + quoted(c.name()),
                     "neither data nor a step of init that computes it", "one of them");
  }
}

void checkTarget(const plan::Plan& plan, Findings& findings) {
  findings.require(plan.target().kind() == "cpu" || plan.target().kind() == "cuda", 29, "target",
                   quoted(plan.target().kind()), "cpu or cuda");
  for (const plan::Expected& e : plan.expected()) {
    bool holds = std::isfinite(e.seconds()) && e.seconds() >= 0;
    findings.require(holds, 29, "expected stage " + std::to_string(e.stage()), std::to_string(e.seconds()), "a time");
  }
  findings.require(plan.memory_limit_bytes() >= 0, 29, "memory limit", std::to_string(plan.memory_limit_bytes()),
                   "a number of bytes, or 0 for none");
}

}  // namespace

void checkEntries(const PlanUnderCheck& checked, Findings& findings) {
  const plan::Plan& plan = checked.plan;
  CallCheck(plan, findings).all();
  bool hasRun = std::any_of(plan.entries().begin(), plan.entries().end(),
                            [](const plan::Entry& e) { return e.name() != "init"; });
  findings.require(hasRun, 26, "plan", "no entry to run", "at least one beside init");
  for (const plan::Entry& e : plan.entries()) checkEntry(checked, e, findings);
  if (findings.none()) checkInit(checked, findings);
  checkTarget(plan, findings);
}

}  // namespace shardwright
