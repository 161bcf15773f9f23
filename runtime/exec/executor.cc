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
  }
  SW_RETURN_IF_ERROR(parts_.constants->loadAndPack(parts_.pool));
  parts_.stats.weightBytes = parts_.constants->shardBytes();
  parts_.stats.constantBytes = parts_.constants->heldBytes();
  return Status();
}

Status Executor::run(int entry, const std::vector<int64_t>& symbolValues, const void* const* inputs,
                     void* const* outputs) {
  Status done = runEntry(entry, symbolValues, inputs, outputs);
  return done.ok() ? done : failed(done);
}

Status Executor::runEntry(int entry, const std::vector<int64_t>& symbolValues, const void* const* inputs,
                          void* const* outputs) {
  SW_ASSIGN_OR_RETURN(Prepared * prepared, preparedFor(entry, symbolValues));
  SW_RETURN_IF_ERROR(reserve(*prepared));
  FrameMemory memory;
  memory.arena = arena_.data();
  memory.scratch = &scratch_;
  memory.inputs = inputs;
  memory.outputs = outputs;
  parts_.stats.collectiveBytes = {};
  lastSymbols_ = &prepared->sizes.symbols;
  for (size_t chunk : prepared->order) SW_RETURN_IF_ERROR(prepared->frames[chunk]->run(memory));
  parts_.stats.scratchBytes = std::max(parts_.stats.scratchBytes, scratch_.sizeBytes());
  return Status();
}

StatusOr<Executor::Prepared*> Executor::preparedFor(int entry, const std::vector<int64_t>& symbolValues) {
  for (const auto& prepared : prepared_) {
    if (prepared->entry != entry || prepared->symbolValues != symbolValues) continue;
    prepared->lastUse = ++uses_;
    return prepared.get();
  }
  const plan::Entry& what = image_->plan().entries(entry);
  if (what.microbatches() > 1) {
    return userError("entry '" + what.name() + "' has " + std::to_string(what.microbatches()) +
                     " microbatches, which cannot be run yet; compile with --microbatches 1");
  }
  if (parts_.stage >= what.stages_size()) {
    return internalError("entry '" + what.name() + "' has no programs for stage " + std::to_string(parts_.stage));
  }
  auto prepared = std::make_unique<Prepared>();
  prepared->entry = entry;
  prepared->symbolValues = symbolValues;
  SW_RETURN_IF_ERROR(bindSizes(symbolValues, prepared->sizes));
  const plan::Entry::StagePrograms& stage = what.stages(parts_.stage);
  for (uint32_t program : stage.chunks()) {
    SW_ASSIGN_OR_RETURN(std::unique_ptr<ProgramFrame> frame,
                        ProgramFrame::prepare(parts_, static_cast<int>(program), prepared->sizes));
    prepared->arenaBytes = std::max(prepared->arenaBytes, frame->arenaBytes());
    prepared->scratchBytes = std::max(prepared->scratchBytes, frame->scratchBytes());
    prepared->frames.push_back(std::move(frame));
  }
  for (const plan::Entry::Action& action : stage.actions()) prepared->order.push_back(action.chunk());
  for (size_t i = 0; stage.actions().empty() && i < prepared->frames.size(); ++i) prepared->order.push_back(i);
  if (prepared_.size() == kMaxPrepared) {
    prepared_.erase(std::min_element(prepared_.begin(), prepared_.end(),
                                     [](const auto& a, const auto& b) { return a->lastUse < b->lastUse; }));
  }
  prepared->lastUse = ++uses_;
  prepared_.push_back(std::move(prepared));
  return prepared_.back().get();
}

Status Executor::bindSizes(const std::vector<int64_t>& symbolValues, RunSizes& sizes) const {
  const ExprTable& table = image_->table();
  sizes.symbols = table.noSymbols();
  std::copy(symbolValues.begin(), symbolValues.end(), sizes.symbols.begin());
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
