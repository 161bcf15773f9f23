// The steps of a program that run others, and those that bind sizes for them.
#include <algorithm>
#include <limits>

#include "runtime/comm/strided_block.h"
#include "runtime/exec/program_frame.h"

namespace shardwright {
namespace {

int64_t integerIn(const TensorRef& ref) {
  switch (ref.dtype) {
    case DType::kBool:
    case DType::kUint8:
      return *ref.as<uint8_t>();
    case DType::kInt8:
      return *ref.as<int8_t>();
    case DType::kInt32:
      return *ref.as<int32_t>();
    default:
      return *ref.as<int64_t>();
  }
}

}  // namespace

Status ProgramFrame::readInteger(PreparedStep& step, const plan::View& view, TensorRef* into) {
  Window window;
  SW_ASSIGN_OR_RETURN(*into, operand(view, window));
  if (into->absent()) return Status();
  bool known = into->dtype == DType::kBool || into->dtype == DType::kUint8 || into->dtype == DType::kInt8 ||
               into->dtype == DType::kInt32 || into->dtype == DType::kInt64;
  if (!known || into->count() != 1) {
    return internalError("one integer or bool is read from a view of " + std::to_string(into->count()) + " " +
                         std::string(dtypeName(into->dtype)));
  }
  addAddress(step, &into->data, window);
  return Status();
}

Status ProgramFrame::prepareBind(PreparedStep& step) {
  step.symbol = static_cast<int>(step.step->bind().symbol());
  return readInteger(step, step.step->bind().view(), &step.integer);
}

Status ProgramFrame::runBind(PreparedStep& step) {
  return bindSymbol(step.symbol, integerIn(step.integer), *step.step);
}

Status ProgramFrame::bindSymbol(int slot, int64_t value, const plan::Step& step) {
  const plan::Symbol& symbol = parts_.image.plan().symbols(slot);
  if (value < symbol.min() || value > symbol.max()) {
    return userError(describeStep(step) + ": the size '" + symbol.name() + "' became " + std::to_string(value) +
                     "; this plan allows " + std::to_string(symbol.min()) + " to " + std::to_string(symbol.max()));
  }
  int64_t& bound = sizes_.symbols[static_cast<size_t>(slot)];
  if (bound == value) return Status();
  bound = value;
  ++sizes_.version;
  return parts_.image.table().update(slot, sizes_.symbols, sizes_.sizes).within(describeStep(step));
}

Status ProgramFrame::prepareCalled(PreparedStep& step) {
  if (step.step->guard() != 0 && sizes_.sizes[step.step->guard() - 1] == 0) return Status();
  for (uint32_t program : step.step->call().programs()) {
    SW_ASSIGN_OR_RETURN(std::unique_ptr<ProgramFrame> frame, prepare(parts_, static_cast<int>(program), sizes_));
    calledBytes_ = std::max(calledBytes_, frame->arenaBytes());
    scratchBytes_ = std::max(scratchBytes_, frame->scratchBytes());
    step.called.push_back(std::move(frame));
  }
  return Status();
}

Status ProgramFrame::prepareCall(PreparedStep& step) {
  const plan::CallStep& what = step.step->call();
  step.captures.assign(static_cast<size_t>(what.captures_size() + what.outputs_size()), nullptr);
  for (int i = 0; i < what.captures_size() + what.outputs_size(); ++i) {
    const plan::View& view = i < what.captures_size() ? what.captures(i) : what.outputs(i - what.captures_size());
    SW_ASSIGN_OR_RETURN(Window window, windowOf(view, program_, sizes_.sizes));
    addAddress(step, &step.captures[static_cast<size_t>(i)], window);
  }
  step.condition = TensorRef();
  if (what.has_condition()) SW_RETURN_IF_ERROR(readInteger(step, what.condition(), &step.condition));
  return what.kind() == plan::CallStep::LOOP ? prepareLoop(step) : Status();
}

Status ProgramFrame::prepareLoop(PreparedStep& step) {
  const plan::CallStep& what = step.step->call();
  step.symbol = static_cast<int>(what.iteration_symbol()) - 1;
  step.integer = TensorRef();
  if (what.has_trip_count()) SW_RETURN_IF_ERROR(readInteger(step, what.trip_count(), &step.integer));
  step.carried.assign(static_cast<size_t>(what.carried_size()), StridedBlock());
  step.results = step.carried;
  for (int i = 0; i < what.carried_size(); ++i) {
    size_t at = static_cast<size_t>(i);
    SW_ASSIGN_OR_RETURN(Window from, windowOf(what.carried(i), program_, sizes_.sizes));
    SW_ASSIGN_OR_RETURN(Window to, windowOf(what.outputs(i), program_, sizes_.sizes));
    if (copyWidth(from.ref.dtype) == 0) return internalError("a carried value of less than a byte per element");
    step.carried[at] = blockOf(from);
    step.results[at] = blockOf(to);
    addAddress(step, &step.carried[at].data, from);
    addAddress(step, &step.results[at].data, to);
  }
  return Status();
}

Status ProgramFrame::runCall(PreparedStep& step, const FrameMemory& memory) {
  FrameMemory called = memory;
  called.arena = memory.arena + ownBytes_;
  called.captures = step.captures.data();
  if (step.step->call().kind() == plan::CallStep::LOOP) return runLoop(step, called);
  bool first = step.step->call().kind() == plan::CallStep::CALL || integerIn(step.condition) != 0;
  return step.called[first ? 0 : 1]->run(called);
}

Status ProgramFrame::runLoop(PreparedStep& step, const FrameMemory& called) {
  const plan::CallStep& what = step.step->call();
  for (size_t i = 0; i < step.carried.size(); ++i) {
    copyBlock(step.carried[i], step.results[i],
              copyWidth(static_cast<DType>(what.carried(static_cast<int>(i)).dtype())));
  }
  int64_t most = step.integer.absent() ? std::numeric_limits<int64_t>::max() : integerIn(step.integer);
  for (int64_t i = 0; i < most; ++i) {
    if (!step.condition.absent() && integerIn(step.condition) == 0) break;
    if (step.symbol >= 0) SW_RETURN_IF_ERROR(bindSymbol(step.symbol, i, *step.step));
    SW_RETURN_IF_ERROR(step.called[0]->run(called));
  }
  return Status();
}

}  // namespace shardwright
