// P25: run-time symbols are bound before steps name them.
#include <algorithm>
#include <set>

#include "runtime/base/dtype.h"
#include "runtime/plan/plan_checks.h"
#include "runtime/plan/step_views.h"

namespace shardwright {
namespace {

class BindCheck {
 public:
  BindCheck(const PlanUnderCheck& checked, Findings& findings)
      : checked_(checked), plan_(checked.plan), findings_(findings) {}

  void entry(const plan::Entry& e) {
    for (const plan::Entry::StagePrograms& stage : e.stages()) {
      std::set<int> bound;
      for (uint32_t chunk : stage.chunks()) program(plan_.programs(static_cast<int>(chunk)), bound);
    }
  }

 private:
  void program(const plan::Program& p, std::set<int>& bound) {
    for (const plan::Step& s : p.steps()) {
      std::vector<uint32_t> exprs = exprsOf(s);
      if (s.guard() > 0) exprs.push_back(s.guard() - 1);
      for (uint32_t e : exprs)
        for (int slot : checked_.runTimeSlots)
          findings_.require(bound.count(slot) > 0 || !checked_.table.dependsOn(e, slot), 25, inStep(p, s),
                            plan_.exprs(static_cast<int>(e)) + " before " + plan_.symbols(slot).name() + " is bound",
                            "symbols that an earlier step has bound");
      if (s.has_bind()) bind(p, s, bound);
      if (s.has_call()) call(s, inStep(p, s), bound);
    }
  }

  void bindSymbol(int symbol, const std::string& where, std::set<int>& bound) {
    findings_.require(plan_.symbols(symbol).run_time() && bound.insert(symbol).second, 25, where,
                      "symbol " + quoted(plan_.symbols(symbol).name()), "run-time symbols, each bound once");
  }

  void bind(const plan::Program& p, const plan::Step& s, std::set<int>& bound) {
    bindSymbol(static_cast<int>(s.bind().symbol()), inStep(p, s), bound);
    const plan::View& v = s.bind().view();
    bool isOne =
        isInteger(static_cast<DType>(v.dtype())) &&
        std::all_of(v.dims().begin(), v.dims().end(), [&](uint32_t d) { return checked_.table.expr(d) == Expr(1); });
    findings_.require(!v.absent() && isOne, 25, inStep(p, s), "a window of another form", "one integer");
  }

  // What a sub-program binds is known in it alone.
  void call(const plan::Step& s, const std::string& where, const std::set<int>& bound) {
    for (uint32_t called : s.call().programs()) {
      std::set<int> inner = bound;
      if (s.call().iteration_symbol() > 0) bindSymbol(static_cast<int>(s.call().iteration_symbol()) - 1, where, inner);
      program(plan_.programs(static_cast<int>(called)), inner);
    }
  }

  const PlanUnderCheck& checked_;
  const plan::Plan& plan_;
  Findings& findings_;
};

}  // namespace

void checkRunTimeSymbols(const PlanUnderCheck& checked, Findings& findings) {
  for (const plan::Entry& e : checked.plan.entries()) BindCheck(checked, findings).entry(e);
}

}  // namespace shardwright
