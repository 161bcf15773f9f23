// P12, P13 and P15 to P19: buffers, windows, who writes what when, kernel steps.
#include <algorithm>
#include <cmath>
#include <set>

#include "runtime/base/dtype.h"
#include "runtime/plan/plan_checks.h"
#include "runtime/plan/step_views.h"

namespace shardwright {
namespace {

constexpr int kMostDims = 8;

class ProgramCheck {
 public:
  ProgramCheck(const PlanUnderCheck& checked, const plan::Program& program, bool isInit, Findings& findings)
      : checked_(checked), plan_(checked.plan), program_(program), isInit_(isInit), findings_(findings) {}

  void all() {
    for (const plan::Buffer& b : program_.buffers()) buffer(b);
    if (!findings_.none()) return;
    written_.assign(static_cast<size_t>(program_.buffers_size()), false);
    for (int i = 0; i < program_.steps_size(); ++i) step(i);
  }

 private:
  std::string inBuffer(const plan::Buffer& b) const { return inProgram(program_) + " buffer " + quoted(b.name()); }

  void buffer(const plan::Buffer& b) {
    std::string where = inBuffer(b);
    findings_.require(bitWidth(static_cast<DType>(b.dtype())) > 0, 12, where,
                      "element type " + std::to_string(b.dtype()), "ONNX's numeric types");
    findings_.require(!checked_.dependsOnAny(b.count(), checked_.runTimeSlots), 12, where,
                      "count " + plan_.exprs(static_cast<int>(b.count())), "a bound that is known before the run");
    auto source = static_cast<int>(b.source());
    switch (b.kind()) {
      case plan::Buffer::TEMPORARY:
        findings_.require(
            b.first_step() <= b.last_step() && b.last_step() < static_cast<uint32_t>(program_.steps_size()), 12, where,
            "lifetime " + std::to_string(b.first_step()) + " to " + std::to_string(b.last_step()),
            "steps 0 to " + std::to_string(program_.steps_size() - 1) + ", first before last");
        return;
      case plan::Buffer::CAPTURE:
        return findings_.require(program_.sub_program(), 12, where, "a capture", "captures in sub-programs only");
      case plan::Buffer::CONSTANT:
        return likeSource(b, plan_.constants(source).dtype(), plan_.constants(source).dims());
      case plan::Buffer::INPUT:
        return likeSource(b, plan_.inputs(source).dtype(), plan_.inputs(source).dims());
      case plan::Buffer::OUTPUT:
        return likeSource(b, plan_.outputs(source).dtype(), plan_.outputs(source).dims());
      case plan::Buffer::STATE:
        return likeSource(b, plan_.states(source).dtype(), plan_.states(source).capacity_dims());
      default:
        findings_.add(12, where, "kind " + std::to_string(b.kind()), "the kinds of plan.proto");
    }
  }

  // A buffer on something outside the program has its type and all its elements.
  template <typename Dims>
  void likeSource(const plan::Buffer& b, int32_t dtype, const Dims& dims) {
    Expr count(1);
    bool known = true;
    for (uint32_t dim : dims) {
      count *= checked_.table.expr(dim);
      known = known && !checked_.dependsOnAny(dim, checked_.runTimeSlots);
    }
    findings_.require(b.dtype() == dtype, 12, inBuffer(b), "element type " + std::to_string(b.dtype()),
                      std::to_string(dtype) + " as its source");
    findings_.require(!known || checked_.table.expr(b.count()) == count, 12, inBuffer(b),
                      "count " + plan_.exprs(static_cast<int>(b.count())), count.str() + " as its source");
  }

  void step(int index) {
    const plan::Step& s = program_.steps(index);
    std::string where = inStep(program_, s);
    findings_.require(s.kind_case() != plan::Step::KIND_NOT_SET, 18, where, "no kind", "one of kernel, collective, …");
    findings_.require(std::isfinite(s.predicted_seconds()) && s.predicted_seconds() >= 0, 18, where,
                      std::to_string(s.predicted_seconds()) + " predicted seconds", "a time");
    if (s.has_kernel()) kernel(s.kernel(), where);
    std::vector<StepView> views = viewsOf(s);
    for (const StepView& v : views) view(v, index, where + " " + v.label());
    for (const StepView& v : views)
      if (v.reads() && v.access == Access::kRead) read(v, where + " " + v.label());
    for (const StepView& v : views)
      if (v.writes()) write(v, where + " " + v.label());
  }

  void kernel(const plan::KernelStep& k, const std::string& where) {
    findings_.require(!k.kernel().empty(), 18, where, "no kernel name", "the name of a kernel");
    bool writes = std::any_of(k.outputs().begin(), k.outputs().end(), [](const plan::View& v) { return !v.absent(); });
    findings_.require(writes, 18, where, "no output", "at least one");
    std::set<std::string> names;
    for (const plan::Attr& a : k.attrs())
      findings_.require(
          !a.name().empty() && names.insert(a.name()).second && a.value_case() != plan::Attr::VALUE_NOT_SET, 18, where,
          "attribute " + quoted(a.name()), "names that differ, each with a value");
    for (const plan::PostOp& p : k.post_ops()) {
      bool hasOperand = p.operand() < static_cast<uint32_t>(std::max(k.inputs_size(), 1));
      findings_.require(!p.kind().empty() && hasOperand, 18, where,
                        "post-op " + quoted(p.kind()) + " with operand " + std::to_string(p.operand()),
                        "a kind and one of " + std::to_string(k.inputs_size()) + " inputs");
    }
  }

  void view(const StepView& v, int index, const std::string& where) {
    const plan::Buffer& b = program_.buffers(static_cast<int>(v.view->buffer()));
    int dims = v.view->dims_size(), strides = v.view->strides_size();
    findings_.require(dims == strides && dims <= kMostDims, 13, where,
                      std::to_string(dims) + " dims and " + std::to_string(strides) + " strides",
                      "as many, at most " + std::to_string(kMostDims));
    bool sameWidth = bitWidth(static_cast<DType>(v.view->dtype())) == bitWidth(static_cast<DType>(b.dtype()));
    findings_.require(sameWidth, 13, where, "element type " + std::to_string(v.view->dtype()),
                      std::to_string(b.dtype()) + " or one of the same width");
    if (b.kind() != plan::Buffer::TEMPORARY) return;
    bool alive = static_cast<uint32_t>(index) >= b.first_step() && static_cast<uint32_t>(index) <= b.last_step();
    findings_.require(alive, 15, where, "buffer " + quoted(b.name()) + " used at step " + std::to_string(index),
                      "its lifetime, " + std::to_string(b.first_step()) + " to " + std::to_string(b.last_step()));
  }

  void read(const StepView& v, const std::string& where) {
    const plan::Buffer& b = program_.buffers(static_cast<int>(v.view->buffer()));
    bool needsWriter = b.kind() == plan::Buffer::TEMPORARY || b.kind() == plan::Buffer::OUTPUT ||
                       (b.kind() == plan::Buffer::CONSTANT && isInit_ && isComputed(b));
    findings_.require(!needsWriter || written_[v.view->buffer()], 16, where,
                      "buffer " + quoted(b.name()) + ", not written yet", "buffers that an earlier step has written");
  }

  void write(const StepView& v, const std::string& where) {
    const plan::Buffer& b = program_.buffers(static_cast<int>(v.view->buffer()));
    written_[v.view->buffer()] = true;
    if (v.access == Access::kReadWrite) return;
    bool mayWrite = b.kind() != plan::Buffer::INPUT;
    if (b.kind() == plan::Buffer::CONSTANT)
      mayWrite = (isInit_ && isComputed(b)) || plan_.constants(static_cast<int>(b.source())).mutable_();
    findings_.require(
        mayWrite, 16, where, "a write to " + quoted(b.name()),
        "writes to temporaries, outputs, states, captures, and constants that are mutable or that init computes");
  }

  bool isComputed(const plan::Buffer& b) const {
    const plan::Constant& c = plan_.constants(static_cast<int>(b.source()));
    return c.weight_set() == 0 && c.inline_data().empty();
  }

  const PlanUnderCheck& checked_;
  const plan::Plan& plan_;
  const plan::Program& program_;
  bool isInit_;
  Findings& findings_;
  std::vector<bool> written_;
};

// Which programs the entry "init" runs, itself or through calls.
std::vector<bool> programsOfInit(const plan::Plan& plan) {
  std::vector<bool> result(static_cast<size_t>(plan.programs_size()), false);
  std::vector<uint32_t> open;
  for (const plan::Entry& e : plan.entries())
    if (e.name() == "init")
      for (const plan::Entry::StagePrograms& stage : e.stages())
        open.insert(open.end(), stage.chunks().begin(), stage.chunks().end());
  while (!open.empty()) {
    uint32_t at = open.back();
    open.pop_back();
    if (result[at]) continue;
    result[at] = true;
    for (const plan::Step& s : plan.programs(static_cast<int>(at)).steps())
      open.insert(open.end(), s.call().programs().begin(), s.call().programs().end());
  }
  return result;
}

void checkOutputs(const plan::Plan& plan, Findings& findings) {
  std::vector<bool> written(static_cast<size_t>(plan.outputs_size()), false);
  for (const plan::Program& p : plan.programs())
    for (const plan::Step& s : p.steps())
      for (const StepView& v : viewsOf(s)) {
        const plan::Buffer& b = p.buffers(static_cast<int>(v.view->buffer()));
        if (v.writes() && b.kind() == plan::Buffer::OUTPUT) written[b.source()] = true;
      }
  for (int i = 0; i < plan.outputs_size(); ++i)
    findings.require(written[static_cast<size_t>(i)], 17, "output " + quoted(plan.outputs(i).name()),
                     "no step that writes it", "outputs that a step writes");
}

}  // namespace

void checkPrograms(const PlanUnderCheck& checked, Findings& findings) {
  std::vector<bool> isInit = programsOfInit(checked.plan);
  for (int i = 0; i < checked.plan.programs_size(); ++i)
    ProgramCheck(checked, checked.plan.programs(i), isInit[static_cast<size_t>(i)], findings).all();
  checkOutputs(checked.plan, findings);
}

void checkKernels(const plan::Plan& plan, const CheckOptions& options, Findings& findings) {
  if (!options.verifyKernel) return;
  for (const plan::Program& p : plan.programs())
    for (const plan::Step& s : p.steps()) {
      if (!s.has_kernel()) continue;
      Status verified = options.verifyKernel(plan, p, s);
      findings.require(verified.ok(), 19, inStep(p, s), quoted(verified.message()),
                       "what kernel " + quoted(s.kernel().kernel()) + " accepts");
    }
}

}  // namespace shardwright
