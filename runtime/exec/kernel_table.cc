#include "runtime/exec/kernel_table.h"

#include <algorithm>

#include "runtime/plan/step_views.h"

namespace shardwright {
namespace {

constexpr char kInitEntry[] = "init";

bool neverRuns(const plan::Step& step, const Sizes& sizes) { return step.guard() != 0 && sizes[step.guard() - 1] == 0; }

// Attributes that are not expressions.
Attrs fixedAttributes(const plan::KernelStep& step) {
  Attrs attrs;
  for (const plan::Attr& attr : step.attrs()) {
    switch (attr.value_case()) {
      case plan::Attr::kI:
        attrs[attr.name()] = attr.i();
        break;
      case plan::Attr::kF:
        attrs[attr.name()] = attr.f();
        break;
      case plan::Attr::kS:
        attrs[attr.name()] = attr.s();
        break;
      case plan::Attr::kInts:
        attrs[attr.name()] = std::vector<int64_t>(attr.ints().v().begin(), attr.ints().v().end());
        break;
      case plan::Attr::kFloats:
        attrs[attr.name()] = std::vector<double>(attr.floats().v().begin(), attr.floats().v().end());
        break;
      default:
        break;
    }
  }
  return attrs;
}

DType dtypeOf(const plan::View& view) { return view.absent() ? DType::kUndefined : static_cast<DType>(view.dtype()); }

// All but the constants, and the address of a generated function.
KernelSpec specOf(const plan::Step& step) {
  const plan::KernelStep& what = step.kernel();
  KernelSpec spec;
  spec.step = step.name();
  spec.attrs = fixedAttributes(what);
  for (const plan::PostOp& post : what.post_ops()) {
    // Operand 0 is an input of the kernel itself, so that a post-op that names it has none.
    int operand = post.operand() == 0 ? -1 : static_cast<int>(post.operand());
    spec.postOps.push_back({post.kind(), operand, std::vector<double>(post.params().begin(), post.params().end())});
  }
  for (const plan::View& view : what.inputs()) spec.inputs.push_back(dtypeOf(view));
  for (const plan::View& view : what.outputs()) spec.outputs.push_back(dtypeOf(view));
  spec.constantInputs.assign(spec.inputs.size(), false);
  return spec;
}

StatusOr<std::unique_ptr<Kernel>> makeKernel(const plan::Step& step, const KernelSpec& spec) {
  const KernelEntry* entry = findCpuKernel(step.kernel().kernel());
  if (!entry) {
    return userError("there is no kernel '" + step.kernel().kernel() + "' here; compile the model with this version");
  }
  return entry->make(spec);
}

// What the packed bytes of an operand may depend on: everything the kernel is told but the step's name, and the window.
std::string layoutKey(const plan::KernelStep& step, int input, const Window& window, int constant) {
  plan::KernelStep kernel = step;
  kernel.clear_inputs();
  kernel.clear_outputs();
  std::string key = kernel.SerializeAsString() + "|" + std::to_string(input) + "|" + std::to_string(constant) + "|" +
                    std::to_string(window.byteOffset);
  for (int i = 0; i < window.ref.rank; ++i) {
    key += "|" + std::to_string(window.ref.dims[i]) + ":" + std::to_string(window.ref.strides[i]);
  }
  for (const plan::View& view : step.inputs()) key += "|" + std::string(dtypeName(dtypeOf(view)));
  for (const plan::View& view : step.outputs()) key += "|" + std::string(dtypeName(dtypeOf(view)));
  return key;
}

}  // namespace

Status verifyKernelStep(const plan::Plan&, const plan::Program&, const plan::Step& step) {
  KernelSpec spec = specOf(step);
  if (spec.attrs.count("function")) spec.attrs["address"] = int64_t{0};
  return makeKernel(step, spec).status();
}

Attrs sizeAttributes(const plan::KernelStep& step, const Sizes& sizes) {
  Attrs attrs;
  for (const plan::Attr& attr : step.attrs()) {
    if (attr.value_case() == plan::Attr::kExpr) attrs[attr.name()] = sizes[attr.expr()];
    if (attr.value_case() == plan::Attr::kExprs) {
      std::vector<int64_t> values;
      for (uint32_t expr : attr.exprs().v()) values.push_back(sizes[expr]);
      attrs[attr.name()] = std::move(values);
    }
  }
  return attrs;
}

StatusOr<KernelTable> KernelTable::make(const PlanImage& image, int stage, const Sizes& sizes) {
  const plan::Plan& plan = image.plan();
  KernelTable table;
  size_t numConstants = static_cast<size_t>(plan.constants_size());
  table.neededAsIs_.resize(numConstants);
  table.neededByInit_.resize(numConstants);
  table.added_.resize(static_cast<size_t>(plan.programs_size()));
  // "init" first: its programs see no packed constants, even if another entry runs them too.
  for (bool init : {true, false}) {
    for (const plan::Entry& entry : plan.entries()) {
      if ((entry.name() == kInitEntry) != init || stage >= entry.stages_size()) continue;
      for (uint32_t program : entry.stages(stage).chunks()) {
        SW_RETURN_IF_ERROR(table.addProgram(image, static_cast<int>(program), init, sizes));
      }
    }
  }
  return table;
}

Status KernelTable::addProgram(const PlanImage& image, int program, bool init, const Sizes& sizes) {
  if (added_[static_cast<size_t>(program)]) return Status();
  added_[static_cast<size_t>(program)] = true;
  const plan::Program& what = image.plan().programs(program);
  for (int i = 0; i < what.steps_size(); ++i) {
    const plan::Step& step = what.steps(i);
    if (neverRuns(step, sizes)) continue;
    if (step.has_kernel()) {
      SW_RETURN_IF_ERROR(addKernel(image, program, i, init, sizes).within(describeStep(step)));
    } else {
      for (const StepView& view : viewsOf(step)) look(what, *view.view, init);
    }
    if (!step.has_call()) continue;
    for (uint32_t called : step.call().programs()) {
      SW_RETURN_IF_ERROR(addProgram(image, static_cast<int>(called), init, sizes));
    }
  }
  return Status();
}

void KernelTable::look(const plan::Program& program, const plan::View& view, bool init) {
  if (view.absent()) return;
  const plan::Buffer& buffer = program.buffers(static_cast<int>(view.buffer()));
  if (buffer.kind() == plan::Buffer::CONSTANT) (init ? neededByInit_ : neededAsIs_)[buffer.source()] = true;
}

Status KernelTable::addKernel(const PlanImage& image, int program, int step, bool init, const Sizes& sizes) {
  const plan::Program& where = image.plan().programs(program);
  const plan::KernelStep& what = where.steps(step).kernel();
  KernelSpec spec = specOf(where.steps(step));
  if (auto function = spec.attrs.find("function"); function != spec.attrs.end()) {
    SW_ASSIGN_OR_RETURN(LoopFunction code, image.function(std::get<std::string>(function->second)));
    spec.attrs["address"] = static_cast<int64_t>(reinterpret_cast<intptr_t>(code));
  }
  for (int i = 0; i < what.inputs_size(); ++i) {
    const plan::View& view = what.inputs(i);
    if (view.absent()) continue;
    const plan::Buffer& buffer = where.buffers(static_cast<int>(view.buffer()));
    int constant = static_cast<int>(buffer.source());
    if (init || buffer.kind() != plan::Buffer::CONSTANT || image.plan().constants(constant).mutable_() ||
        !isKnown(view, sizes) || sizes[buffer.count()] == ExprTable::kUnknown) {
      look(where, view, init);
      continue;
    }
    spec.constantInputs[static_cast<size_t>(i)] = true;
    SW_ASSIGN_OR_RETURN(Window window, windowOf(view, where, sizes));
    uses_.push_back({program, step, i, constant, window, layoutKey(what, i, window, constant)});
  }
  for (const plan::View& view : what.outputs()) look(where, view, init);
  SW_ASSIGN_OR_RETURN((kernels_[{program, step}]), makeKernel(where.steps(step), spec));
  return Status();
}

}  // namespace shardwright
