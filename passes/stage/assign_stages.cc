#include <algorithm>
#include <cmath>

#include "compiler/analysis/batch_independence.h"
#include "compiler/analysis/op_work.h"
#include "compiler/analysis/stage_cut.h"
#include "compiler/dist/dist_dialect.h"
#include "compiler/dist/module_symbols.h"
#include "compiler/dist/propagated_form.h"
#include "compiler/dist/stage_form.h"
#include "compiler/onnx/onnx_dialect.h"
#include "compiler/onnx/value_names.h"
#include "compiler/target/cost_model.h"
#include "mlir/Pass/Pass.h"
#include "passes/passes.h"
#include "runtime/plan/schedule.h"

namespace shardwright {
namespace {

// Says of every op which chunk of the pipeline computes it, and of the module how it runs: microbatches and schedule.
//
// Contract: the annotated form, on a mesh with the axis pp or with microbatches asked for. Afterwards ops have dist.stage, but
// for weights, constants, and values that are cheaper to compute again than to send (masks, positions): those are computed
// wherever they are needed. With microbatches, the batch's symbol is from here on that of one of them.
struct AssignStages : mlir::PassWrapper<AssignStages, mlir::OperationPass<mlir::ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(AssignStages)
  AssignStages() = default;
  AssignStages(const AssignStages& other) : PassWrapper(other) {}
  llvm::StringRef getArgument() const final { return "assign-stages"; }
  llvm::StringRef getDescription() const final { return "cut the graph into the stages of a pipeline"; }
  void getDependentDialects(mlir::DialectRegistry& registry) const final { registerDistDialect(registry); }

  Option<int64_t> microbatches{*this, "microbatches", llvm::cl::desc("parts that the batch is cut into"),
                               llvm::cl::init(1)};
  Option<std::string> schedule{*this, "schedule",
                               llvm::cl::desc("gpipe, 1f1b, interleaved or interleaved:N; empty: by cost"),
                               llvm::cl::init("")};
  Option<int64_t> memoryLimit{*this, "memory-limit", llvm::cl::desc("bytes per rank; 0: none"), llvm::cl::init(0)};
  Option<std::string> machineName{*this, "machine", llvm::cl::desc("the built-in machine that times are of"),
                                  llvm::cl::init("cpu")};

  void runOnOperation() final {
    Status status = assign();
    if (status.ok()) return;
    getOperation().emitError(status.message());
    signalPassFailure();
  }

 private:
  Status assign() {
    function_ = getOperation().lookupSymbol<mlir::func::FuncOp>("main");
    if (!function_) return internalError("the module has no function main");
    pipeline_ = pipelineOf(getOperation());
    facts_ = factsOf(getOperation());
    SW_RETURN_IF_ERROR(readSchedule());
    if (pipeline_.numChunks() == 1 && pipeline_.microbatches == 1) return Status();
    SW_ASSIGN_OR_RETURN(BlockRules rules, BlockRules::build(block(), facts_));
    if (pipeline_.microbatches > 1) SW_RETURN_IF_ERROR(cutBatch(rules));
    if (pipeline_.numChunks() > 1) SW_RETURN_IF_ERROR(cut(rules));
    setPipeline(getOperation(), pipeline_);
    return Status();
  }

  mlir::Block& block() { return function_.getBody().front(); }

  // --- how it runs ----------------------------------------------------------------------------------------------------------

  Status readSchedule() {
    pipeline_.microbatches = microbatches;
    if (microbatches < 1) return userError("--microbatches " + std::to_string(microbatches) + ": give 1 or more");
    std::string name = schedule.getValue();
    llvm::StringRef text(name);
    pipeline_.chunks = 1;
    if (text.consume_front("interleaved")) {
      pipeline_.chunks = 2;
      if (text.consume_front(":") && (text.getAsInteger(10, pipeline_.chunks) || pipeline_.chunks < 2))
        return userError("--schedule " + name + ": give interleaved:N with N chunks per rank, 2 or more");
      pipeline_.schedule = "interleaved";
      if (pipeline_.stages == 1) return userError("--schedule " + name + ": the mesh has no axis pp");
    } else if (text.empty() || text == "gpipe" || text == "1f1b") {
      pipeline_.schedule = text.empty() ? "gpipe" : name;
    } else {
      return userError("--schedule " + name + ": allowed are gpipe, 1f1b, interleaved and interleaved:N");
    }
    return Status();
  }

  // From here on the batch's symbol is one microbatch's.
  Status cutBatch(const BlockRules& rules) {
    std::string batch = batchOf(getOperation());
    if (batch.empty())
      return userError("--microbatches " + std::to_string(pipeline_.microbatches) +
                       ": no input has a symbolic first dim to cut; say which symbol is the batch with --batch");
    SW_RETURN_IF_ERROR(checkBatchIndependence(block(), rules, facts_, batch));
    cutAssumedBatch(getOperation(), pipeline_.microbatches);
    std::vector<SymbolInfo> symbols = symbolsOf(getOperation());
    for (size_t i = 0, n = symbols.size(); i < n; ++i) {
      if (symbols[i].name != batch) continue;
      symbols.push_back(symbols[i]);
      symbols.back().name = batch + ".total";
      int64_t parts = pipeline_.microbatches;
      symbols[i].assumed = std::max<int64_t>(1, (symbols[i].assumed + parts - 1) / parts);
      symbols[i].range.divisor = 1;
    }
    setSymbols(getOperation(), symbols);
    return Status();
  }

  // --- what ops cost --------------------------------------------------------------------------------------------------------

  double bytesOf(mlir::Value value) const { return bytesAt(value, sizes_); }
  // Of a rank, of what all axes of the stage's mesh split; dp splits no weight.
  double share(bool ofWeight) {
    double parts = 1;
    const Mesh mesh = meshOf(getOperation());
    for (const MeshAxis& axis : mesh.axes())
      if (!ofWeight || (axis.name != "dp" && axis.name != "sp")) parts *= static_cast<double>(axis.size);
    return 1 / parts;
  }

  // Kernels compute or read weights; chains are fused, and cost the writing of their results.
  void costOps(const BlockRules& rules) {
    for (mlir::Operation& op : block().without_terminator()) {
      const Row* row = rowOf(&op);
      const Rule* rule = rules.find(&op);
      if (!row || !rule || std::holds_alternative<ViewBody>(row->lowering)) continue;
      double bytes = 0;
      for (mlir::Value result : op.getResults())
        if (!isNone(result)) bytes += bytesOf(result) * share(false);
      bool isChain = std::holds_alternative<ScalarBody>(row->lowering);
      for (mlir::Value operand : op.getOperands())
        if (!isChain && operand.getDefiningOp<WeightOp>()) bytes += bytesOf(operand) * share(true);
      double seconds =
          kernelSeconds(machine_, shapeOf(op.getResult(0)).dtype, flopsOf(*row, *rule, sizes_) * share(false), bytes);
      seconds_[&op] = isChain ? seconds - machine_.launchSeconds : seconds;
    }
  }

  double transferSeconds(double bytes) {
    return collectiveSeconds(machine_, CollectiveCost::kPermute, 2, bytes * share(false));
  }

  // Ops whose value takes no longer to compute from the inputs than to receive. A weight that they read counts: each stage
  // that computes them would hold it. A node's pin is to what computes, not to the weights and absent operands written with it.
  void findShared() {
    for (mlir::Operation& op : block().without_terminator()) {
      double cone = 0, transfer = 0;
      auto own = seconds_.find(&op);
      if (own != seconds_.end()) cone = own->second;
      bool isLeaf = op.getNumOperands() == 0, depends = true;
      if (mlir::isa<WeightOp>(op)) cone = bytesOf(op.getResult(0)) / machine_.memoryBytesPerSecond;
      for (mlir::Value operand : op.getOperands()) {
        mlir::Operation* producer = operand.getDefiningOp();
        if (!producer) continue;
        depends = depends && cones_.count(producer);
        cone += cones_.lookup(producer);
      }
      for (mlir::Value result : op.getResults())
        if (!isNone(result)) transfer += transferSeconds(bytesOf(result));
      bool isFree = isLeaf || (cone <= transfer && pinOf(&op) < 0);
      if (depends && isFree) cones_[&op] = cone;
    }
  }

  // --- the cut --------------------------------------------------------------------------------------------------------------

  Status cut(const BlockRules& rules) {
    sizes_ = assumedSizes(getOperation());
    SW_ASSIGN_OR_RETURN(machine_, builtInMachine(machineName));
    costOps(rules);
    findShared();
    StageGraph graph;
    std::vector<mlir::Operation*> ops;
    llvm::DenseMap<mlir::Operation*, int> index;
    for (mlir::Operation& op : block().without_terminator()) {
      if (cones_.count(&op)) continue;
      index[&op] = static_cast<int>(ops.size());
      ops.push_back(&op);
      graph.nodes.push_back({describe(&op), seconds_.lookup(&op), pinOf(&op)});
    }
    for (mlir::Operation& op : block().without_terminator()) addValues(&op, index, graph);
    SW_RETURN_IF_ERROR(fitPinnedChunks(graph));
    auto pinned = llvm::find_if(ops, [](mlir::Operation* op) { return op->hasAttr(kStagePinAttr); });
    if (pipeline_.chunks > 1 && pinned != ops.end())
      return userError("--schedule " + schedule + ": node " + describe(*pinned) + " is pinned to stage " +
                       std::to_string(pinOf(*pinned)) +
                       ", and each stage has several chunks of the model; use schedule gpipe");
    SW_ASSIGN_OR_RETURN(StageCut found, cutInto(pipeline_.numChunks(), graph));
    if (schedule.empty()) SW_RETURN_IF_ERROR(tryChunks(graph, found));
    mlir::Builder builder(&getContext());
    for (size_t i = 0; i < ops.size(); ++i) ops[i]->setAttr(kStageAttr, builder.getI64IntegerAttr(found.stageOf[i]));
    record(found);
    return Status();
  }

  // The user's spec names stages, of which each then is one chunk; the model's annotations name chunks.
  static int pinOf(mlir::Operation* op) {
    for (llvm::StringRef name : {kStagePinAttr, kChunkPinAttr})
      if (auto pin = op->getAttrOfType<mlir::IntegerAttr>(name)) return static_cast<int>(pin.getInt());
    return -1;
  }

  // Chunks beyond the stages say how many of them each stage has, unless --schedule does.
  Status fitPinnedChunks(const StageGraph& graph) {
    auto last = std::max_element(graph.nodes.begin(), graph.nodes.end(),
                                 [](const auto& a, const auto& b) { return a.pin < b.pin; });
    if (last == graph.nodes.end() || last->pin < pipeline_.numChunks()) return Status();
    if (!schedule.empty())
      return userError("--schedule " + schedule + ": node " + last->name + " is annotated with pipeline stage " +
                       std::to_string(last->pin) + ", and this schedule on " + std::to_string(pipeline_.stages) +
                       " stages has 0 to " + std::to_string(pipeline_.numChunks() - 1) +
                       "; leave --schedule out, or compile with --ignore-annotations");
    pipeline_.chunks = last->pin / pipeline_.stages + 1;
    pipeline_.schedule = "interleaved";
    return Status();
  }

  static std::vector<StageGraph::Node>::const_iterator pinnedNode(const StageGraph& graph) {
    return llvm::find_if(graph.nodes, [](const StageGraph::Node& node) { return node.pin >= 0; });
  }

  StatusOr<StageCut> cutInto(int64_t numChunks, const StageGraph& graph) const {
    if (static_cast<int64_t>(graph.nodes.size()) < numChunks)
      return userError("axis pp wants " + std::to_string(numChunks) + " stages, and the model has " +
                       std::to_string(graph.nodes.size()) + " ops to put there; use a smaller axis");
    StageCutOptions options;
    options.numStages = static_cast<int>(numChunks);
    // A pipeline is for many batches, even where one run has one part: balanced stages hold and compute equal shares.
    options.microbatches = static_cast<int>(std::max(pipeline_.microbatches, 4 * numChunks));
    options.memoryLimit = memoryLimit;
    const CollectiveCurve& curve = machine_.curve(CollectiveCost::kPermute, 2);
    options.latencySeconds = curve.latencySeconds;
    options.bytesPerSecond = curve.bytesPerSecondAt(1 << 20);
    return cutStages(graph, options);
  }

  // Where the user names no schedule: two chunks per rank, if the run then ends sooner by more than the model of costs errs.
  // Pins are to stages, and a limit is a stage's, so that with either there is one chunk.
  Status tryChunks(const StageGraph& graph, StageCut& found) {
    constexpr int64_t kChunks = 2;
    constexpr double kWorthwhile = 0.95;
    bool isPinned = pinnedNode(graph) != graph.nodes.end();
    if (isPinned || memoryLimit > 0 || pipeline_.microbatches < 2) return Status();
    if (static_cast<int64_t>(graph.nodes.size()) < kChunks * pipeline_.stages) return Status();
    SW_ASSIGN_OR_RETURN(StageCut finer, cutInto(kChunks * pipeline_.stages, graph));
    SW_ASSIGN_OR_RETURN(double plain, runSeconds(pipeline_.schedule, 1, found));
    SW_ASSIGN_OR_RETURN(double interleaved, runSeconds("interleaved", kChunks, finer));
    if (interleaved > kWorthwhile * plain) return Status();
    pipeline_.schedule = "interleaved";
    pipeline_.chunks = kChunks;
    found = std::move(finer);
    return Status();
  }

  StatusOr<double> runSeconds(const std::string& name, int64_t chunks, const StageCut& cut) const {
    ScheduleShape shape;
    shape.numRanks = static_cast<int>(pipeline_.stages);
    shape.microbatches = static_cast<int>(pipeline_.microbatches);
    shape.chunksPerRank = static_cast<int>(chunks);
    SW_ASSIGN_OR_RETURN(std::vector<ActionList> actions, makeSchedule(name, shape));
    ScheduleCosts costs;
    costs.seconds = [&](int stage, const plan::Entry::Action& action) {
      return cut.stages[action.chunk() * static_cast<size_t>(pipeline_.stages) + static_cast<size_t>(stage)].seconds();
    };
    SW_ASSIGN_OR_RETURN(SimulatedSchedule simulated, simulate(actions, costs));
    return simulated.seconds;
  }

  static std::string describe(mlir::Operation* op) {
    std::string name = nodeName(op->getLoc());
    return name.empty() ? op->getName().getStringRef().str() : name;
  }

  void addValues(mlir::Operation* op, const llvm::DenseMap<mlir::Operation*, int>& index, StageGraph& graph) {
    auto at = index.find(op);
    for (mlir::Value result : op->getResults()) {
      if (isNone(result)) continue;
      std::vector<int> users;
      bool isOutput = false;
      for (mlir::Operation* user : result.getUsers()) {
        isOutput = isOutput || user == block().getTerminator();
        if (auto it = index.find(user); it != index.end()) users.push_back(it->second);
      }
      std::sort(users.begin(), users.end());
      users.erase(std::unique(users.begin(), users.end()), users.end());
      if (mlir::isa<WeightOp>(op)) {
        graph.constants.push_back({static_cast<int64_t>(std::ceil(bytesOf(result) * share(true))), std::move(users)});
      } else if (at != index.end()) {
        double bytes = bytesOf(result) * share(false);
        graph.values.push_back({at->second, std::move(users), bytes, static_cast<int64_t>(bytes), isOutput});
      }
    }
  }

  // For reports: dist.stages = [{seconds = …, weight_bytes = …, ops = …}, …] by chunk, and dist.stage_gap.
  void record(const StageCut& cut) {
    mlir::Builder builder(&getContext());
    llvm::SmallVector<mlir::Attribute> stages;
    for (const StageCost& cost : cut.stages) {
      mlir::NamedAttrList fields;
      fields.set("seconds", builder.getF64FloatAttr(cost.seconds()));
      fields.set("weight_bytes", builder.getI64IntegerAttr(cost.weightBytes));
      fields.set("ops", builder.getI64IntegerAttr(cost.numNodes));
      stages.push_back(fields.getDictionary(&getContext()));
    }
    getOperation()->setAttr("dist.stages", builder.getArrayAttr(stages));
    getOperation()->setAttr("dist.stage_gap", builder.getF64FloatAttr(cut.seconds - cut.lowerBound));
  }

  mlir::func::FuncOp function_;
  Pipeline pipeline_;
  Facts facts_;
  Bindings sizes_;
  Machine machine_;
  llvm::DenseMap<mlir::Operation*, double> seconds_;
  llvm::DenseMap<mlir::Operation*, double> cones_;  // of ops that are computed wherever they are needed
};

}  // namespace

std::unique_ptr<mlir::Pass> createAssignStagesPass() { return std::make_unique<AssignStages>(); }

std::unique_ptr<mlir::Pass> createAssignStagesPass(int64_t microbatches, const std::string& schedule,
                                                   int64_t memoryLimit) {
  auto pass = std::make_unique<AssignStages>();
  pass->microbatches = microbatches;
  pass->schedule = schedule;
  pass->memoryLimit = memoryLimit;
  return pass;
}

}  // namespace shardwright
