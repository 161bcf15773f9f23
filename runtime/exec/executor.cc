#include "runtime/exec/executor.h"

#include <algorithm>

#include "runtime/plan/mesh_ranks.h"

namespace shardwright {

StatusOr<std::unique_ptr<Executor>> Executor::load(std::shared_ptr<const PlanImage> image, World& world,
                                                   ThreadPool& pool) {
  std::unique_ptr<Executor> executor(new Executor(std::move(image), world, pool));
  Status loaded = executor->loadParts();
  if (!loaded.ok()) return executor->failed(loaded);
  return executor;
}

Status Executor::failed(const Status& status) {
  Status named = status.within(describeRank(image_->plan().mesh(), parts_.rank));
  parts_.world.abort(named);
  return named;
}

Status Executor::loadParts() {
  const plan::Plan& plan = image_->plan();
  if (plan.states_size() > 0) {
    return userError("state ('" + plan.states(0).name() + "') cannot be kept yet; compile without --shard's \"state\"");
  }
  parts_.rank = parts_.world.rank();
  uint32_t microbatches = 1;  // of which a channel carries one message each
  for (const plan::Entry& entry : plan.entries()) microbatches = std::max(microbatches, entry.microbatches());
  parts_.world.expectMessages(static_cast<int>(microbatches));
  parts_.stage = stageOf(plan.mesh(), parts_.rank);
  ExprTable::Symbols symbols = image_->table().noSymbols();
  image_->table().bindCoordinates(parts_.rank, symbols);
  SW_RETURN_IF_ERROR(image_->table().evaluate(symbols, parts_.loadSizes));
  for (const plan::Group& group : plan.groups()) {
    GroupMembers members = membersOf(plan.mesh(), group, parts_.rank);
    SW_ASSIGN_OR_RETURN(std::unique_ptr<Communicator> communicator,
                        parts_.world.group(members.ranks, describeGroup(plan.mesh(), group)));
    parts_.groups.push_back(std::make_unique<GroupQueue>(std::move(communicator)));
  }
  SW_ASSIGN_OR_RETURN(KernelTable kernels, KernelTable::make(*image_, parts_.stage, parts_.loadSizes));
  parts_.kernels = std::make_unique<KernelTable>(std::move(kernels));
  parts_.constants = std::make_unique<ConstantStore>(*image_, *parts_.kernels, parts_.loadSizes);
  int init = image_->entryNamed("init");
  if (init >= 0) {
    SW_RETURN_IF_ERROR(parts_.constants->loadForInit());
    std::vector<int64_t> values(static_cast<size_t>(plan.symbols_size()), ExprTable::kUnknown);
    SW_RETURN_IF_ERROR(runEntry(init, values, nullptr, nullptr));
    prepared_.clear();
    lastRun_ = nullptr;
  }
  SW_RETURN_IF_ERROR(parts_.constants->loadAndPack(parts_.pool));
  parts_.stats.weightBytes = parts_.constants->shardBytes();
  parts_.stats.constantBytes = parts_.constants->heldBytes();
  return Status();
}

Status Executor::run(int entry, const std::vector<int64_t>& symbolValues, const void* const* inputs,
                     void* const* outputs, RankTrace* trace) {
  parts_.trace = trace;
  if (trace) trace->beginRun();
  Status done = runEntry(entry, symbolValues, inputs, outputs);
  return done.ok() ? done : failed(done);
}

Status Executor::runEntry(int entry, const std::vector<int64_t>& symbolValues, const void* const* inputs,
                          void* const* outputs) {
  SW_ASSIGN_OR_RETURN(Prepared * prepared, preparedFor(entry, symbolValues));
  SW_RETURN_IF_ERROR(reserve(*prepared));
  lastRun_ = prepared;
  FrameMemory memory;
  memory.arena = arena_.data();
  memory.scratch = &scratch_;
  memory.inputs = prepared->inputs.data();
  memory.outputs = prepared->outputs.data();
  parts_.stats.collectiveBytes = {};
  const int64_t sentBefore = parts_.world.messageBytes();
  for (const Turn& turn : prepared->turns) {
    lastSymbols_ = &turn.part->sizes.symbols;
    for (size_t i = 0; inputs && i < prepared->inputs.size(); ++i)
      prepared->inputs[i] =
          inputs[i] ? static_cast<const char*>(inputs[i]) + turn.begin * prepared->inputSteps[i] : nullptr;
    for (size_t i = 0; outputs && i < prepared->outputs.size(); ++i)
      prepared->outputs[i] = static_cast<char*>(outputs[i]) + turn.begin * prepared->outputSteps[i];
    if (parts_.trace) parts_.trace->beginAction(turn.microbatch, static_cast<uint32_t>(turn.chunk));
    SW_RETURN_IF_ERROR(turn.part->frames[turn.chunk]->run(memory));
  }
  parts_.stats.scratchBytes = std::max(parts_.stats.scratchBytes, scratch_.sizeBytes());
  parts_.stats.messageBytes = parts_.world.messageBytes() - sentBefore;
  return Status();
}

StatusOr<std::vector<Window>> Executor::writtenOutputs() const {
  std::vector<Window> all;
  for (const Turn& turn : lastRun_->turns) {
    size_t first = all.size();
    SW_RETURN_IF_ERROR(turn.part->frames[turn.chunk]->addOutputWindows(all));
    for (size_t i = first; i < all.size(); ++i)
      all[i].byteOffset += turn.begin * lastRun_->outputSteps[static_cast<size_t>(all[i].buffer)];
  }
  return all;
}

StatusOr<Executor::Prepared*> Executor::preparedFor(int entry, const std::vector<int64_t>& symbolValues) {
  for (const auto& prepared : prepared_) {
    if (prepared->entry != entry || prepared->symbolValues != symbolValues) continue;
    prepared->lastUse = ++uses_;
    return prepared.get();
  }
  const plan::Entry& what = image_->plan().entries(entry);
  if (parts_.stage >= what.stages_size()) {
    return internalError("entry '" + what.name() + "' has no programs for stage " + std::to_string(parts_.stage));
  }
  auto prepared = std::make_unique<Prepared>();
  prepared->entry = entry;
  prepared->symbolValues = symbolValues;
  SW_RETURN_IF_ERROR(prepareTurns(what, *prepared));
  if (prepared_.size() == kMaxPrepared) {
    prepared_.erase(std::min_element(prepared_.begin(), prepared_.end(),
                                     [](const auto& a, const auto& b) { return a->lastUse < b->lastUse; }));
  }
  prepared->lastUse = ++uses_;
  prepared_.push_back(std::move(prepared));
  return prepared_.back().get();
}

Status Executor::prepareTurns(const plan::Entry& entry, Prepared& prepared) {
  const plan::Plan& plan = image_->plan();
  const plan::Entry::StagePrograms& stage = entry.stages(parts_.stage);
  const int64_t count = std::max<int64_t>(entry.microbatches(), 1);
  int partSlot = -1;
  int64_t batch = count;
  if (count > 1) {
    for (int i = 0; i < plan.symbols_size(); ++i)
      if (plan.symbols(i).part_of() == entry.microbatch_symbol()) partSlot = i;
    batch = prepared.symbolValues[static_cast<size_t>(image_->table().slot(entry.microbatch_symbol()))];
  }
  auto add = [&](int64_t microbatch, size_t chunk) {
    GranulePart range = granulePart(batch, microbatch, count);
    // All ranks leave out the same ones. An empty batch runs once, for results that are not empty.
    if (range.begin == range.end && (batch > 0 || microbatch > 0)) return Status();
    SW_ASSIGN_OR_RETURN(Part * part, partFor(entry, partSlot, range.end - range.begin, prepared));
    prepared.turns.push_back({part, chunk, static_cast<uint32_t>(microbatch), range.begin});
    return Status();
  };
  for (const plan::Entry::Action& action : stage.actions())
    SW_RETURN_IF_ERROR(add(action.microbatch(), action.chunk()));
  for (int64_t m = 0; stage.actions_size() == 0 && m < count; ++m)
    for (int chunk = 0; chunk < stage.chunks_size(); ++chunk) SW_RETURN_IF_ERROR(add(m, static_cast<size_t>(chunk)));
  prepared.inputs.resize(static_cast<size_t>(plan.inputs_size()));
  prepared.outputs.resize(static_cast<size_t>(plan.outputs_size()));
  if (prepared.parts.empty()) return Status();
  prepared.inputSteps = stepsOf(plan.inputs(), *prepared.parts[0]);
  prepared.outputSteps = stepsOf(plan.outputs(), *prepared.parts[0]);
  return Status();
}

StatusOr<Executor::Part*> Executor::partFor(const plan::Entry& entry, int partSlot, int64_t size, Prepared& prepared) {
  for (const auto& part : prepared.parts)
    if (part->size == size) return part.get();
  auto part = std::make_unique<Part>();
  part->size = size;
  SW_RETURN_IF_ERROR(bindSizes(prepared.symbolValues, partSlot, size, part->sizes));
  for (uint32_t program : entry.stages(parts_.stage).chunks()) {
    SW_ASSIGN_OR_RETURN(std::unique_ptr<ProgramFrame> frame,
                        ProgramFrame::prepare(parts_, static_cast<int>(program), part->sizes));
    prepared.arenaBytes = std::max(prepared.arenaBytes, frame->arenaBytes());
    prepared.scratchBytes = std::max(prepared.scratchBytes, frame->scratchBytes());
    part->frames.push_back(std::move(frame));
  }
  prepared.parts.push_back(std::move(part));
  return prepared.parts.back().get();
}

std::vector<int64_t> Executor::stepsOf(const google::protobuf::RepeatedPtrField<plan::Port>& ports,
                                       const Part& part) const {
  std::vector<int64_t> steps;
  for (const plan::Port& port : ports)
    steps.push_back(part.sizes.sizes[port.microbatch_stride()] * bitWidth(static_cast<DType>(port.dtype())) / 8);
  return steps;
}

Status Executor::bindSizes(const std::vector<int64_t>& symbolValues, int partSlot, int64_t part,
                           RunSizes& sizes) const {
  const ExprTable& table = image_->table();
  sizes.symbols = table.noSymbols();
  std::copy(symbolValues.begin(), symbolValues.end(), sizes.symbols.begin());
  if (partSlot >= 0) sizes.symbols[static_cast<size_t>(partSlot)] = part;
  table.bindCoordinates(parts_.rank, sizes.symbols);
  return table.evaluate(sizes.symbols, sizes.sizes);
}

Status Executor::reserve(const Prepared& prepared) {
  if (prepared.arenaBytes > arena_.sizeBytes()) {
    arena_ = PageMemory();  // before the larger one, so that both are never held
    SW_ASSIGN_OR_RETURN(arena_, PageMemory::allocate(prepared.arenaBytes));
  }
  if (prepared.scratchBytes > scratch_.sizeBytes() || !scratch_.data()) {
    scratch_ = PageMemory();
    SW_ASSIGN_OR_RETURN(scratch_, PageMemory::allocate(prepared.scratchBytes));
  }
  parts_.stats.temporaryBytes = std::max(parts_.stats.temporaryBytes, prepared.arenaBytes);
  return Status();
}

}  // namespace shardwright
