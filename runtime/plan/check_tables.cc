// P1 to P7: what must hold before anything else can be looked at.
#include <algorithm>
#include <set>

#include "runtime/base/dtype.h"
#include "runtime/plan/mesh_ranks.h"
#include "runtime/plan/plan_checks.h"
#include "runtime/plan/plan_io.h"
#include "runtime/plan/step_views.h"

namespace shardwright {
namespace {

constexpr int64_t kMostRanks = 1 << 16;

void checkExprs(const plan::Plan& plan, Findings& findings) {
  for (int i = 0; i < 2; ++i) {
    std::string found = i < plan.exprs_size() ? quoted(plan.exprs(i)) : "none";
    findings.require(found == quoted(std::to_string(i)), 2, "expression " + std::to_string(i), found,
                     std::to_string(i));
  }
  for (int i = 0; i < plan.exprs_size(); ++i) {
    std::string where = "expression " + std::to_string(i);
    StatusOr<Expr> e = Expr::parse(plan.exprs(i));
    if (!e.ok()) {
      findings.add(2, where, quoted(plan.exprs(i)) + " (" + e.status().message() + ")",
                   "the grammar of runtime/base/expr.h");
      continue;
    }
    bool isPoisoned = *e - *e != Expr(0);
    findings.require(e->str() == plan.exprs(i) && !isPoisoned, 2, where, quoted(plan.exprs(i)),
                     "the canonical form " + quoted(e->str()) + " of a value");
  }
}

void checkSymbols(const plan::Plan& plan, Findings& findings) {
  std::set<std::string> names;
  for (const plan::Symbol& s : plan.symbols()) {
    std::string where = "symbol " + quoted(s.name());
    bool isRunTime = !s.name().empty() && s.name()[0] == '%';
    findings.require(!s.name().empty() && s.name()[0] != '@' && names.insert(s.name()).second, 3, where, "that name",
                     "one name per symbol, which does not begin with @");
    findings.require(isRunTime == s.run_time(), 3, where, s.run_time() ? "run_time" : "no run_time",
                     "run_time exactly where the name begins with %");
    findings.require(s.divisor() >= 1 && s.min() <= s.max() && s.assumed() >= s.min() && s.assumed() <= s.max() &&
                         s.assumed() % std::max<int64_t>(s.divisor(), 1) == 0,
                     3, where,
                     "min " + std::to_string(s.min()) + ", max " + std::to_string(s.max()) + ", divisor " +
                         std::to_string(s.divisor()) + ", assumed " + std::to_string(s.assumed()),
                     "a divisor of at least 1 and an assumed value within the range that is a multiple of it");
  }
  for (const plan::Symbol& s : plan.symbols()) {
    if (s.part_of().empty()) continue;
    bool isWhole = std::any_of(plan.symbols().begin(), plan.symbols().end(), [&](const plan::Symbol& other) {
      return other.name() == s.part_of() && !other.run_time() && other.part_of().empty() &&
             other.assumed() >= s.assumed();
    });
    findings.require(isWhole && !s.run_time(), 3, "symbol " + quoted(s.name()), "a part of " + quoted(s.part_of()),
                     "a part of a symbol of the inputs, not larger than it");
  }
  for (const plan::Mesh::Axis& axis : plan.mesh().axes()) names.insert("@" + axis.name());
  for (int i = 0; i < plan.exprs_size(); ++i) {
    StatusOr<Expr> e = Expr::parse(plan.exprs(i));
    if (!e.ok()) continue;
    for (const std::string& name : e->symbols())
      findings.require(names.count(name) > 0, 3, "expression " + std::to_string(i), "symbol " + quoted(name),
                       "declared symbols and @axis of the mesh");
  }
}

void checkMesh(const plan::Plan& plan, Findings& findings) {
  std::set<std::string> names;
  int64_t ranks = 1;
  for (const plan::Mesh::Axis& axis : plan.mesh().axes()) {
    findings.require(!axis.name().empty() && names.insert(axis.name()).second, 4, "mesh", "axis " + quoted(axis.name()),
                     "one name per axis");
    bool sized = axis.size() >= 1 && axis.size() <= kMostRanks / ranks;
    findings.require(sized, 4, "mesh axis " + quoted(axis.name()), "size " + std::to_string(axis.size()),
                     "at least 1, and at most " + std::to_string(kMostRanks) + " ranks in all");
    if (sized) ranks *= axis.size();
  }
}

using SubAxes = google::protobuf::RepeatedPtrField<plan::SubAxis>;

class SubAxisCheck {
 public:
  SubAxisCheck(const plan::Plan& plan, Findings& findings) : plan_(plan), findings_(findings) {}

  void all() {
    for (int i = 0; i < plan_.groups_size(); ++i) {
      std::string where = "group " + std::to_string(i);
      findings_.require(plan_.groups(i).axes_size() > 0, 5, where, "no axis", "at least one");
      std::vector<const plan::SubAxis*> used;
      list(plan_.groups(i).axes(), where, used);
    }
    for (const plan::Port& p : plan_.inputs()) sharding(p.sharding(), "input " + quoted(p.name()));
    for (const plan::Port& p : plan_.outputs()) sharding(p.sharding(), "output " + quoted(p.name()));
    for (const plan::Constant& c : plan_.constants()) sharding(c.sharding(), "constant " + quoted(c.name()));
  }

 private:
  void sharding(const plan::Sharding& s, const std::string& where) {
    std::vector<const plan::SubAxis*> used;
    for (const plan::DimSharding& dim : s.dims())
      for (const plan::DimSplit& split : dim.factors()) list(split.axes(), "sharding of " + where, used);
    list(s.partial(), "sharding of " + where, used);
  }

  // Digits [pre, pre*size) of one axis overlap unless one lies wholly above the other.
  void list(const SubAxes& axes, const std::string& where, std::vector<const plan::SubAxis*>& used) {
    for (const plan::SubAxis& a : axes) {
      bool fits = a.axis() < static_cast<uint32_t>(plan_.mesh().axes_size()) && a.pre() >= 1 && a.size() >= 1 &&
                  a.pre() <= kMostRanks && a.size() <= kMostRanks;
      fits = fits && plan_.mesh().axes(static_cast<int>(a.axis())).size() % (a.pre() * a.size()) == 0;
      findings_.require(
          fits, 5, where,
          "digit (" + std::to_string(a.pre()) + ")" + std::to_string(a.size()) + " of axis " + std::to_string(a.axis()),
          "an axis of the mesh, whose size is a multiple of the product");
      if (!fits) continue;
      for (const plan::SubAxis* b : used) {
        bool apart =
            b->axis() != a.axis() || b->pre() % (a.pre() * a.size()) == 0 || a.pre() % (b->pre() * b->size()) == 0;
        findings_.require(apart, 5, where, subAxisText(plan_.mesh(), a) + " beside " + subAxisText(plan_.mesh(), *b),
                          "each digit of an axis once");
      }
      used.push_back(&a);
    }
  }

  const plan::Plan& plan_;
  Findings& findings_;
};

class IndexCheck {
 public:
  IndexCheck(const plan::Plan& plan, Findings& findings) : plan_(plan), findings_(findings) {}

  void all() {
    for (const plan::Port& p : plan_.inputs()) port(p, "input " + quoted(p.name()));
    for (const plan::Port& p : plan_.outputs()) port(p, "output " + quoted(p.name()));
    for (const plan::WeightSet& w : plan_.weight_sets()) expr(w.index(), "weight set " + quoted(w.name()));
    for (const plan::Constant& c : plan_.constants()) constant(c);
    for (const plan::State& s : plan_.states()) {
      std::string where = "state " + quoted(s.name());
      below(s.input(), plan_.inputs_size(), where, "input");
      below(s.output(), plan_.outputs_size(), where, "output");
      exprs(s.capacity_dims(), where);
    }
    for (const plan::Program& p : plan_.programs()) program(p);
    for (const plan::Entry& e : plan_.entries()) entry(e);
    for (const plan::Expected& e : plan_.expected()) below(e.stage(), numStages(plan_.mesh()), "expected", "stage");
  }

 private:
  void below(uint32_t index, int size, const std::string& where, const std::string& what) {
    findings_.require(index < static_cast<uint32_t>(size), 6, where, what + " " + std::to_string(index),
                      "0 to " + std::to_string(size - 1));
  }
  void expr(uint32_t index, const std::string& where) { below(index, plan_.exprs_size(), where, "expression"); }
  template <typename List>
  void exprs(const List& list, const std::string& where) {
    for (uint32_t index : list) expr(index, where);
  }

  void sharding(const plan::Sharding& s, const std::string& where) {
    for (const plan::DimSharding& dim : s.dims())
      for (const plan::DimSplit& split : dim.factors()) {
        expr(split.extent(), where);
        expr(split.granules(), where);
      }
  }

  void port(const plan::Port& p, const std::string& where) {
    exprs(p.dims(), where);
    expr(p.microbatch_stride(), where);
    sharding(p.sharding(), where);
  }

  void constant(const plan::Constant& c) {
    std::string where = "constant " + quoted(c.name());
    exprs(c.dims(), where);
    exprs(c.global_dims(), where);
    sharding(c.sharding(), where);
    if (c.weight_set() > 0) below(c.weight_set() - 1, plan_.weight_sets_size(), where, "weight set");
  }

  void program(const plan::Program& p) {
    for (const plan::Buffer& b : p.buffers()) {
      std::string where = inProgram(p) + " buffer " + quoted(b.name());
      expr(b.count(), where);
      if (b.kind() == plan::Buffer::CONSTANT) below(b.source(), plan_.constants_size(), where, "constant");
      if (b.kind() == plan::Buffer::INPUT) below(b.source(), plan_.inputs_size(), where, "input");
      if (b.kind() == plan::Buffer::OUTPUT) below(b.source(), plan_.outputs_size(), where, "output");
      if (b.kind() == plan::Buffer::STATE) below(b.source(), plan_.states_size(), where, "state");
    }
    for (const plan::Step& s : p.steps()) step(p, s);
  }

  void step(const plan::Program& p, const plan::Step& s) {
    std::string where = inStep(p, s);
    for (const StepView& v : viewsOf(s)) below(v.view->buffer(), p.buffers_size(), where + " " + v.label(), "buffer");
    exprs(exprsOf(s), where);
    if (s.guard() > 0) expr(s.guard() - 1, where);
    if (s.has_collective()) below(s.collective().group(), plan_.groups_size(), where, "group");
    if (s.has_wait()) below(s.wait().step(), p.steps_size(), where, "step");
    if (s.has_bind()) below(s.bind().symbol(), plan_.symbols_size(), where, "symbol");
    for (uint32_t called : s.call().programs()) below(called, plan_.programs_size(), where, "program");
    if (s.call().iteration_symbol() > 0) below(s.call().iteration_symbol() - 1, plan_.symbols_size(), where, "symbol");
  }

  void entry(const plan::Entry& e) {
    std::string where = "entry " + quoted(e.name());
    for (const plan::Entry::Guard& g : e.guards()) expr(g.expr(), where);
    for (const plan::Entry::StagePrograms& stage : e.stages()) {
      for (uint32_t chunk : stage.chunks()) below(chunk, plan_.programs_size(), where, "program");
      for (const plan::Entry::Action& action : stage.actions())
        below(action.chunk(), stage.chunks_size(), where, "chunk");
    }
  }

  const plan::Plan& plan_;
  Findings& findings_;
};

template <typename List>
void checkUnique(const List& list, const std::string& what, const std::string& where, Findings& findings) {
  std::set<std::string> names;
  for (const auto& item : list)
    findings.require(!item.name().empty() && names.insert(item.name()).second, 7, where,
                     what + " " + quoted(item.name()), "names that are not empty and differ");
}

void checkNames(const plan::Plan& plan, Findings& findings) {
  checkUnique(plan.inputs(), "input", "plan", findings);
  checkUnique(plan.outputs(), "output", "plan", findings);
  checkUnique(plan.weight_sets(), "weight set", "plan", findings);
  checkUnique(plan.constants(), "constant", "plan", findings);
  checkUnique(plan.states(), "state", "plan", findings);
  checkUnique(plan.programs(), "program", "plan", findings);
  checkUnique(plan.entries(), "entry", "plan", findings);
  for (const plan::Program& p : plan.programs()) checkUnique(p.steps(), "step", inProgram(p), findings);
}

}  // namespace

void checkTables(const plan::Plan& plan, Findings& findings) {
  findings.require(plan.version() == kPlanVersion, 1, "plan", "version " + std::to_string(plan.version()),
                   std::to_string(kPlanVersion));
  if (!findings.none()) return;
  checkExprs(plan, findings);
  checkSymbols(plan, findings);
  checkMesh(plan, findings);
  if (!findings.none()) return;  // the rest looks things up in these
  SubAxisCheck(plan, findings).all();
  IndexCheck(plan, findings).all();
  checkNames(plan, findings);
}

}  // namespace shardwright
