#include "compiler/emit/emit_programs.h"
#include "compiler/dist/module_symbols.h"

#include "compiler/dist/stage_form.h"
#include "compiler/emit/program_emitter.h"
#include "compiler/emit/value_view.h"
#include "runtime/plan/schedule.h"

namespace shardwright {
namespace {

std::string portName(mlir::DictionaryAttr attrs, const std::string& otherwise) {
  auto name = attrs ? attrs.getAs<mlir::StringAttr>("onnx.name") : mlir::StringAttr();
  return name ? name.str() : otherwise;
}

// The ports and entries that the functions of a module make together.
class ModuleEmitter {
 public:
  ModuleEmitter(mlir::ModuleOp module, PlanTables& tables)
      : functions_(chunksOf(module)),
        pipeline_(pipelineOf(module)),
        totals_(totalsOf(module)),
        tables_(tables),
        shared_(tables),
        batch_(batchOf(module)) {}

  StatusOr<EmittedPrograms> run() {
    if (functions_.empty()) return internalError("the module has no function main");
    for (bool isOutput : {false, true}) SW_RETURN_IF_ERROR(emitPorts(isOutput));
    plan::Entry* main = addEntry("main");
    std::vector<std::pair<int, ProgramState>> inits;  // with their stages
    for (size_t k = 0; k < functions_.size(); ++k) {
      ProgramState mainProgram, initProgram;
      SW_RETURN_IF_ERROR(emitFunction(functions_[k], ports_, shared_, mainProgram, initProgram));
      std::string suffix = functions_.size() == 1 ? "" : "_" + std::to_string(k);
      int stage = static_cast<int>(static_cast<int64_t>(k) % pipeline_.stages);
      mainProgram.program.set_name("main" + suffix);
      addProgram(stage, std::move(mainProgram), *main);
      if (initProgram.program.steps_size() == 0) continue;
      initProgram.program.set_name("init" + suffix);
      inits.emplace_back(stage, std::move(initProgram));
    }
    SW_RETURN_IF_ERROR(addSchedule(*main));
    plan::Entry* init = inits.empty() ? nullptr : addEntry("init");
    for (auto& [stage, program] : inits) addProgram(stage, std::move(program), *init);
    return std::move(shared_.emitted);
  }

 private:
  plan::Entry* addEntry(const std::string& name) {
    plan::Entry* entry = tables_.plan().add_entries();
    entry->set_name(name);
    for (int64_t stage = 0; stage < pipeline_.stages; ++stage) entry->add_stages();
    return entry;
  }

  void addProgram(int stage, ProgramState state, plan::Entry& entry) {
    entry.mutable_stages(stage)->add_chunks(static_cast<uint32_t>(tables_.plan().programs_size()));
    *tables_.plan().add_programs() = std::move(state.program);
    shared_.emitted.flops.push_back(std::move(state.flops));
  }

  // Arguments are the inputs, then the outputs (marked dist.output); in a pipeline each says which it is, and the first
  // function that has it describes it.
  Status emitPorts(bool isOutput) {
    auto& ports = isOutput ? *tables_.plan().mutable_outputs() : *tables_.plan().mutable_inputs();
    std::vector<bool> described;
    for (mlir::func::FuncOp function : functions_) {
      uint32_t next = 0;
      for (unsigned i = 0; i < function.getNumArguments(); ++i) {
        mlir::DictionaryAttr attrs = function.getArgAttrDict(i);
        if ((attrs && attrs.contains("dist.output")) != isOutput) continue;
        int64_t said = argumentNumber(function, i, kPortAttr);
        uint32_t index = said >= 0 ? static_cast<uint32_t>(said) : next++;
        while (static_cast<uint32_t>(ports.size()) <= index) ports.Add();
        described.resize(static_cast<size_t>(ports.size()));
        ports_[function.getArgument(i)] = {isOutput, index};
        if (!described[index])
          describe(function.getArgument(i), attrs, isOutput, index, *ports.Mutable(static_cast<int>(index)));
        described[index] = true;
      }
    }
    if (llvm::all_of(described, [](bool done) { return done; })) return Status();
    return internalError("an input or output of the model belongs to no stage");
  }

  void describe(mlir::Value argument, mlir::DictionaryAttr attrs, bool isOutput, uint32_t index, plan::Port& port) {
    port.set_name(portName(attrs, (isOutput ? "output_" : "input_") + std::to_string(index)));
    port.set_dtype(static_cast<int>(dtypeOf(argument.getType())));
    Exprs dims = dimsOf(argument.getType());
    for (Expr dim : dims) port.add_dims(tables_.expr(dim));
    mlir::Attribute sharding = attrs ? attrs.get("dist.sharding") : mlir::Attribute();
    tables_.write(sharding ? shardingOf(sharding) : Sharding::replicated(dims.size()), *port.mutable_sharding());
    // How far one of the batch is from the next, in the dim that holds the batch.
    Exprs strides = denseView(dims).strides;
    for (size_t d = 0; d < dims.size(); ++d)
      for (const auto& [symbol, total] : totals_)
        if (auto rest = dims[d].dividedBy(total); rest && !dims[d].isConstant())
          port.set_microbatch_stride(tables_.expr(*rest * strides[d]));
  }

  // Which microbatch runs when, on each stage.
  Status addSchedule(plan::Entry& entry) const {
    if (pipeline_.microbatches <= 1 && pipeline_.numChunks() == 1) return Status();
    ScheduleShape shape;
    shape.numRanks = static_cast<int>(pipeline_.stages);
    shape.microbatches = static_cast<int>(pipeline_.microbatches);
    shape.chunksPerRank = static_cast<int>(pipeline_.chunks);
    SW_ASSIGN_OR_RETURN(std::vector<ActionList> actions, makeSchedule(pipeline_.schedule, shape));
    for (size_t stage = 0; stage < actions.size(); ++stage)
      for (const plan::Entry::Action& action : actions[stage])
        *entry.mutable_stages(static_cast<int>(stage))->add_actions() = action;
    entry.set_schedule(pipeline_.schedule);
    if (pipeline_.microbatches <= 1) return Status();
    entry.set_microbatches(static_cast<uint32_t>(pipeline_.microbatches));
    entry.set_microbatch_symbol(batch_);
    return Status();
  }

  std::vector<mlir::func::FuncOp> functions_;
  Pipeline pipeline_;
  std::map<std::string, Expr> totals_;
  PlanTables& tables_;
  SharedPrograms shared_;
  PortIndices ports_;
  std::string batch_;
};

}  // namespace

StatusOr<EmittedPrograms> emitPrograms(mlir::ModuleOp module, PlanTables& tables) {
  return ModuleEmitter(module, tables).run();
}

}  // namespace shardwright
