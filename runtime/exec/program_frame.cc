#include "runtime/exec/program_frame.h"

#include <algorithm>

#include "runtime/comm/strided_block.h"
#include "runtime/plan/packer.h"
#include "runtime/plan/step_views.h"

namespace shardwright {
namespace {

// Below it, waking the other threads costs more than they save, and on a busy machine very much more.
constexpr int64_t kSmallStepElements = 16 * 1024;

int64_t aligned(int64_t bytes) { return (bytes + kBufferAlignment - 1) / kBufferAlignment * kBufferAlignment; }

}  // namespace

ProgramFrame::ProgramFrame(RankParts& parts, int program, RunSizes& sizes)
    : parts_(parts),
      index_(program),
      program_(parts.image.plan().programs(program)),
      sizes_(sizes),
      steps_(static_cast<size_t>(program_.steps_size())),
      temporaryOffsets_(static_cast<size_t>(program_.buffers_size())),
      bases_(static_cast<size_t>(program_.buffers_size())) {}

StatusOr<std::unique_ptr<ProgramFrame>> ProgramFrame::prepare(RankParts& parts, int program, RunSizes& sizes) {
  std::unique_ptr<ProgramFrame> frame(new ProgramFrame(parts, program, sizes));
  frame->placeTemporaries();
  for (int i = 0; i < frame->program_.steps_size(); ++i) {
    PreparedStep& step = frame->steps_[static_cast<size_t>(i)];
    step.step = &frame->program_.steps(i);
    step.sizedAtRunTime = frame->isSizedAtRunTime(*step.step);
    if (step.step->has_call()) SW_RETURN_IF_ERROR(frame->prepareCalled(step).within(describeStep(*step.step)));
    if (step.sizedAtRunTime) continue;
    SW_RETURN_IF_ERROR(frame->prepareStep(step).within(describeStep(*step.step)));
  }
  return frame;
}

bool ProgramFrame::isSizedAtRunTime(const plan::Step& step) const {
  const plan::Plan& plan = parts_.image.plan();
  std::vector<uint32_t> exprs = exprsOf(step);
  if (step.guard() != 0) exprs.push_back(step.guard() - 1);
  for (int slot = 0; slot < plan.symbols_size(); ++slot) {
    if (!plan.symbols(slot).run_time()) continue;
    for (uint32_t expr : exprs) {
      if (parts_.image.table().dependsOn(expr, slot)) return true;
    }
  }
  return false;
}

void ProgramFrame::placeTemporaries() {
  TemporaryItems temporaries = temporaryItems(program_, sizes_.sizes);
  Packing packing = packBuffers(temporaries.items);
  for (size_t i = 0; i < temporaries.indices.size(); ++i) {
    temporaryOffsets_[static_cast<size_t>(temporaries.indices[i])] = packing.offsets[i];
  }
  ownBytes_ = aligned(packing.peakBytes);
}

Status ProgramFrame::prepareStep(PreparedStep& step) {
  const plan::Step& what = *step.step;
  step.version = sizes_.version;
  step.addresses.clear();
  step.runs = what.guard() == 0 || sizes_.sizes[what.guard() - 1] != 0;
  if (!step.runs) return Status();
  switch (what.kind_case()) {
    case plan::Step::kKernel:
      return prepareKernel(step);
    case plan::Step::kCollective:
      return prepareCollective(step);
    case plan::Step::kTransfer:
      return prepareTransfer(step);
    case plan::Step::kBind:
      return prepareBind(step);
    case plan::Step::kCall:
      return prepareCall(step);
    case plan::Step::kWait:
      return Status();
    default:
      return internalError("a step of no kind");
  }
}

StatusOr<TensorRef> ProgramFrame::operand(const plan::View& view, Window& window) const {
  SW_ASSIGN_OR_RETURN(window, windowOf(view, program_, sizes_.sizes));
  TensorRef ref = window.ref;
  if (window.buffer < 0) return ref;
  const plan::Buffer& buffer = program_.buffers(window.buffer);
  if (buffer.kind() == plan::Buffer::CONSTANT) {
    char* base = parts_.constants->data(static_cast<int>(buffer.source()));
    if (base) ref.data = base + window.byteOffset;
  }
  return ref;
}

void ProgramFrame::addAddress(PreparedStep& step, void** data, const Window& window) const {
  if (window.buffer >= 0) step.addresses.push_back({data, window.buffer, window.byteOffset});
}

Status ProgramFrame::prepareKernel(PreparedStep& step) {
  const plan::KernelStep& what = step.step->kernel();
  int number = static_cast<int>(&step - steps_.data());
  step.numInputs = static_cast<size_t>(what.inputs_size());
  step.operands.assign(step.numInputs + static_cast<size_t>(what.outputs_size()), TensorRef());
  for (size_t i = 0; i < step.operands.size(); ++i) {
    bool isInput = i < step.numInputs;
    const plan::View& view =
        isInput ? what.inputs(static_cast<int>(i)) : what.outputs(static_cast<int>(i - step.numInputs));
    Window window;
    SW_ASSIGN_OR_RETURN(step.operands[i], operand(view, window));
    const void* packed = isInput ? parts_.constants->packed(index_, number, static_cast<int>(i)) : nullptr;
    if (packed) {
      step.operands[i].data = const_cast<void*>(packed);  // kernels do not write their inputs
    } else {
      addAddress(step, &step.operands[i].data, window);
    }
  }
  std::vector<TensorRef> inputs(step.operands.begin(), step.operands.begin() + static_cast<int64_t>(step.numInputs));
  std::vector<TensorRef> outputs(step.operands.begin() + static_cast<int64_t>(step.numInputs), step.operands.end());
  int64_t elements = 0;
  for (const TensorRef& operand : step.operands) elements += operand.absent() ? 0 : operand.count();
  step.pool = elements < kSmallStepElements ? &parts_.alone : &parts_.pool;
  SW_ASSIGN_OR_RETURN(step.kernel,
                      parts_.kernels->kernel(index_, number)
                          .prepare(inputs, outputs, sizeAttributes(what, sizes_.sizes), step.pool->numThreads()));
  scratchBytes_ = std::max(scratchBytes_, step.kernel->scratchBytes());
  return Status();
}

Status ProgramFrame::prepareCollective(PreparedStep& step) {
  SW_ASSIGN_OR_RETURN(CollectiveWindows windows,
                      collectiveWindows(*step.step, program_, parts_.image, parts_.rank, sizes_.symbols, sizes_.sizes));
  step.collective = std::move(windows.collective);
  step.payloadBytes = windows.payloadBytes;
  step.group = parts_.groups[step.step->collective().group()].get();
  for (size_t i = 0; i < windows.sends.size(); ++i) addAddress(step, &step.collective.sends[i].data, windows.sends[i]);
  for (size_t i = 0; i < windows.recvs.size(); ++i) addAddress(step, &step.collective.recvs[i].data, windows.recvs[i]);
  return step.group->communicator().prepare(step.collective);
}

Status ProgramFrame::prepareTransfer(PreparedStep& step) {
  const plan::TransferStep& what = step.step->transfer();
  SW_ASSIGN_OR_RETURN(Window window, windowOf(what.view(), program_, sizes_.sizes));
  step.block = blockOf(window);
  step.dtype = window.ref.dtype;
  step.peer = static_cast<int>(sizes_.sizes[what.peer()]);
  step.payloadBytes = elementCount(step.block) * bitWidth(step.dtype) / 8;
  step.collective.name = describeStep(*step.step);
  if (window.buffer >= 0) step.collective.name += ", tensor '" + program_.buffers(window.buffer).name() + "'";
  addAddress(step, &step.block.data, window);
  return Status();
}

void ProgramFrame::resolve(PreparedStep& step) {
  for (const Address& address : step.addresses) {
    char* base = bases_[static_cast<size_t>(address.buffer)];
    *address.data = base ? base + address.byteOffset : nullptr;
  }
}

void ProgramFrame::resolve(const FrameMemory& memory) {
  bool changed = false;
  for (int i = 0; i < program_.buffers_size(); ++i) {
    const plan::Buffer& buffer = program_.buffers(i);
    char* base = nullptr;
    switch (buffer.kind()) {
      case plan::Buffer::TEMPORARY:
        base = memory.arena + temporaryOffsets_[static_cast<size_t>(i)];
        break;
      case plan::Buffer::CONSTANT:
        base = parts_.constants->data(static_cast<int>(buffer.source()));
        break;
      case plan::Buffer::INPUT:  // never written
        base = static_cast<char*>(const_cast<void*>(memory.inputs[buffer.source()]));
        break;
      case plan::Buffer::OUTPUT:
        base = static_cast<char*>(memory.outputs[buffer.source()]);
        break;
      case plan::Buffer::CAPTURE:
        base = static_cast<char*>(memory.captures[buffer.source()]);
        break;
      default:
        break;
    }
    changed = changed || base != bases_[static_cast<size_t>(i)];
    bases_[static_cast<size_t>(i)] = base;
  }
  if (!changed) return;
  for (PreparedStep& step : steps_) resolve(step);
}

Status ProgramFrame::run(const FrameMemory& memory) {
  RankTrace* trace = parts_.trace;
  const int64_t began = trace ? RankTrace::now() : 0;
  resolve(memory);
  for (PreparedStep& step : steps_) {
    if (step.sizedAtRunTime && step.version != sizes_.version) {
      SW_RETURN_IF_ERROR(prepareStep(step).within(describeStep(*step.step)));
      resolve(step);
      if (scratchBytes_ > memory.scratch->sizeBytes()) {
        SW_ASSIGN_OR_RETURN(*memory.scratch, PageMemory::allocate(scratchBytes_));
      }
    }
    if (!step.runs) continue;
    const int64_t stepBegan = trace ? RankTrace::now() : 0;
    SW_RETURN_IF_ERROR(runStep(step, memory));
    if (trace) trace->add(&program_, step.step, stepBegan, step.payloadBytes);
  }
  if (trace) trace->add(&program_, nullptr, began, 0);
  return Status();
}

Status ProgramFrame::addOutputWindows(std::vector<Window>& windows) const {
  for (const PreparedStep& step : steps_) {
    if (!step.runs) continue;
    for (const StepView& view : viewsOf(*step.step)) {
      const plan::Buffer& buffer = program_.buffers(static_cast<int>(view.view->buffer()));
      if (!view.writes() || buffer.kind() != plan::Buffer::OUTPUT) continue;
      SW_ASSIGN_OR_RETURN(Window window, windowOf(*view.view, program_, sizes_.sizes));
      window.buffer = static_cast<int>(buffer.source());
      windows.push_back(window);
    }
  }
  return Status();
}

Status ProgramFrame::runStep(PreparedStep& step, const FrameMemory& memory) {
  switch (step.step->kind_case()) {
    case plan::Step::kKernel:
      step.kernel->run(step.operands.data(), step.operands.data() + step.numInputs, memory.scratch->data(), *step.pool);
      return Status();
    case plan::Step::kCollective:
      return runCollective(step);
    case plan::Step::kTransfer:
      return runTransfer(step);
    case plan::Step::kBind:
      return runBind(step);
    case plan::Step::kCall:
      return runCall(step, memory);
    default:
      break;
  }
  PreparedStep& started = steps_[step.step->wait().step()];
  if (!started.runs) return Status();
  if (started.step->has_transfer()) return started.step->transfer().send() ? Status() : transfer(started);
  return started.group->finish(started.ticket);
}

Status ProgramFrame::runCollective(PreparedStep& step) {
  SW_RETURN_IF_ERROR(step.group->start(step.collective, &step.ticket));
  parts_.stats.collectiveBytes[static_cast<size_t>(step.collective.kind)] += step.payloadBytes;
  return step.step->async() ? Status() : step.group->finish(step.ticket);
}

// A send is over when it returns, and a receive begins where it is waited for.
Status ProgramFrame::runTransfer(PreparedStep& step) {
  return step.step->async() && !step.step->transfer().send() ? Status() : transfer(step);
}

Status ProgramFrame::transfer(PreparedStep& step) {
  const plan::TransferStep& what = step.step->transfer();
  if (what.send()) return parts_.world.send(step.peer, what.channel(), step.block, step.dtype, step.collective.name);
  return parts_.world.receive(step.peer, what.channel(), step.block, step.dtype, step.collective.name);
}

}  // namespace shardwright
