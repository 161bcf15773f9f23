#include <set>

#include "compiler/dist/dist_dialect.h"
#include "compiler/dist/stage_form.h"
#include "compiler/onnx/value_names.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/MapVector.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Pass/Pass.h"
#include "passes/passes.h"

namespace shardwright {
namespace {

// Turns @main into one function per chunk of the pipeline.
//
// Contract: before it the ops say their chunk (dist.stage), in an order in which no value goes back; ops that say none depend on
// such ops and on arguments alone. Afterwards function @stage_k computes the ops of chunk k and whatever else they need; a
// value of another chunk is an argument there (dist.receive) and a result here (dist.send), once per pair of chunks. Every
// input and output of the model is one of some function (dist.port).
//
//   @main(%x) { %a = f(%x) {stage 0}; %b = g(%a) {stage 1}; return %b }
//   -> @stage_0(%x {port 0}) -> (%a {send 0, peer 1}),  @stage_1(%a {receive 0, peer 0}) -> (%b {port 0})
struct SplitStages : mlir::PassWrapper<SplitStages, mlir::OperationPass<mlir::ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(SplitStages)
  llvm::StringRef getArgument() const final { return "split-stages"; }
  llvm::StringRef getDescription() const final { return "make one function per chunk of the pipeline"; }
  void getDependentDialects(mlir::DialectRegistry& registry) const final { registerDistDialect(registry); }

  void runOnOperation() final {
    pipeline_ = pipelineOf(getOperation());
    if (pipeline_.numChunks() == 1) return;
    main_ = getOperation().lookupSymbol<mlir::func::FuncOp>("main");
    if (!main_) {
      getOperation().emitError("internal error: the module has no function main");
      return signalPassFailure();
    }
    chunks_.resize(static_cast<size_t>(pipeline_.numChunks()));
    if (mlir::failed(findNeeds())) return signalPassFailure();
    connect();
    mlir::OpBuilder builder(main_);
    for (size_t k = 0; k < chunks_.size(); ++k) build(builder, k);
    main_.erase();
  }

 private:
  struct Chunk {
    llvm::DenseSet<mlir::Operation*> ops;
    llvm::SetVector<mlir::Value> arguments;             // of @main
    llvm::MapVector<mlir::Value, int64_t> received;     // to channel
    std::vector<std::pair<mlir::Value, int64_t>> sent;  // with channel
    std::vector<unsigned> outputs;                      // of @main
  };

  static int64_t stageOf(mlir::Operation* op) {
    auto stage = op->getAttrOfType<mlir::IntegerAttr>(kStageAttr);
    return stage ? stage.getInt() : -1;
  }
  mlir::Block& block() { return main_.getBody().front(); }

  mlir::LogicalResult findNeeds() {
    auto last = static_cast<int64_t>(chunks_.size()) - 1;
    for (mlir::Operation& op : block().without_terminator()) {
      int64_t stage = stageOf(&op);
      if (stage > last) return op.emitError("internal error: stage ") << stage << " of " << last + 1;
      for (mlir::Value operand : op.getOperands())
        if (mlir::Operation* producer = operand.getDefiningOp(); producer && stageOf(producer) > stage)
          return op.emitError("internal error: reads a value of a later stage");
      if (stage >= 0) need(&op, chunks_[static_cast<size_t>(stage)]);
    }
    for (mlir::OpOperand& result : block().getTerminator()->getOpOperands()) {
      mlir::Operation* producer = result.get().getDefiningOp();
      int64_t stage = producer ? stageOf(producer) : -1;
      Chunk& chunk = chunks_[static_cast<size_t>(stage < 0 ? last : stage)];
      chunk.outputs.push_back(result.getOperandNumber());
      if (stage < 0) needValue(result.get(), chunk);
    }
    for (mlir::BlockArgument argument : block().getArguments())
      if (llvm::none_of(chunks_, [&](const Chunk& c) { return c.arguments.contains(argument); }))
        chunks_[0].arguments.insert(argument);
    return mlir::success();
  }

  // With the ops that it needs and that are computed wherever they are needed.
  void need(mlir::Operation* op, Chunk& chunk) {
    llvm::SmallVector<mlir::Operation*> open = {op};
    while (!open.empty()) {
      mlir::Operation* next = open.pop_back_val();
      if (!chunk.ops.insert(next).second) continue;
      for (mlir::Value operand : next->getOperands()) {
        mlir::Operation* producer = operand.getDefiningOp();
        if (!producer)
          chunk.arguments.insert(operand);
        else if (stageOf(producer) < 0)
          open.push_back(producer);
      }
    }
  }

  void needValue(mlir::Value value, Chunk& chunk) {
    if (mlir::Operation* producer = value.getDefiningOp())
      need(producer, chunk);
    else
      chunk.arguments.insert(value);
  }

  void connect() {
    int64_t channel = 0;
    for (mlir::Operation& op : block().without_terminator()) {
      int64_t stage = stageOf(&op);
      for (mlir::Value result : op.getResults()) {
        std::set<int64_t> readers;
        for (mlir::Operation* user : result.getUsers())
          if (int64_t reader = stageOf(user); stage >= 0 && reader >= 0 && reader != stage) readers.insert(reader);
        for (int64_t reader : readers) {
          chunks_[static_cast<size_t>(reader)].received[result] = channel;
          chunks_[static_cast<size_t>(stage)].sent.emplace_back(result, channel++);
          peers_.emplace_back(stage, reader);
        }
      }
    }
  }

  void build(mlir::OpBuilder& builder, size_t k) {
    Chunk& chunk = chunks_[k];
    llvm::SmallVector<mlir::BlockArgument> ports;
    for (mlir::BlockArgument argument : block().getArguments())
      if (chunk.arguments.contains(argument)) ports.push_back(argument);
    llvm::SmallVector<mlir::Type> inputs, outputs;
    for (mlir::Value port : ports) inputs.push_back(port.getType());
    for (const auto& [value, channel] : chunk.received) inputs.push_back(value.getType());
    for (unsigned output : chunk.outputs) outputs.push_back(main_.getResultTypes()[output]);
    for (const auto& [value, channel] : chunk.sent) outputs.push_back(value.getType());
    auto function = builder.create<mlir::func::FuncOp>(main_.getLoc(), "stage_" + std::to_string(k),
                                                       builder.getFunctionType(inputs, outputs));
    function->setAttr(kStageAttr, builder.getI64IntegerAttr(static_cast<int64_t>(k)));
    nameInterface(builder, function, chunk, ports);
    fill(function, chunk, ports);
  }

  void nameInterface(mlir::OpBuilder& builder, mlir::func::FuncOp function, const Chunk& chunk,
                     llvm::ArrayRef<mlir::BlockArgument> ports) {
    auto number = [&](int64_t n) { return builder.getI64IntegerAttr(n); };
    unsigned at = 0;
    for (mlir::BlockArgument port : ports) {
      if (mlir::DictionaryAttr attrs = main_.getArgAttrDict(port.getArgNumber())) function.setArgAttrs(at, attrs);
      function.setArgAttr(at++, kPortAttr, number(port.getArgNumber()));
    }
    for (const auto& [value, channel] : chunk.received) {
      if (std::string name = valueName(value); !name.empty())
        function.setArgAttr(at, "onnx.name", builder.getStringAttr(name));
      function.setArgAttr(at, kReceiveAttr, number(channel));
      function.setArgAttr(at++, kPeerAttr, number(peers_[static_cast<size_t>(channel)].first));
    }
    at = 0;
    for (unsigned output : chunk.outputs) {
      if (mlir::DictionaryAttr attrs = main_.getResultAttrDict(output)) function.setResultAttrs(at, attrs);
      function.setResultAttr(at++, kPortAttr, number(output));
    }
    for (const auto& [value, channel] : chunk.sent) {
      function.setResultAttr(at, kSendAttr, number(channel));
      function.setResultAttr(at++, kPeerAttr, number(peers_[static_cast<size_t>(channel)].second));
    }
  }

  void fill(mlir::func::FuncOp function, const Chunk& chunk, llvm::ArrayRef<mlir::BlockArgument> ports) {
    mlir::IRMapping mapping;
    llvm::SmallVector<mlir::Location> locations;
    for (mlir::Value port : ports) locations.push_back(port.getLoc());
    for (const auto& [value, channel] : chunk.received) locations.push_back(value.getLoc());
    mlir::Block* body = function.addEntryBlock();
    for (auto [argument, location] : llvm::zip(body->getArguments(), locations)) argument.setLoc(location);
    unsigned at = 0;
    for (mlir::Value port : ports) mapping.map(port, body->getArgument(at++));
    for (const auto& [value, channel] : chunk.received) mapping.map(value, body->getArgument(at++));
    mlir::OpBuilder builder = mlir::OpBuilder::atBlockBegin(body);
    for (mlir::Operation& op : block().without_terminator())
      if (chunk.ops.contains(&op)) builder.clone(op, mapping)->removeAttr(kStageAttr);
    llvm::SmallVector<mlir::Value> results;
    for (unsigned output : chunk.outputs)
      results.push_back(mapping.lookup(block().getTerminator()->getOperand(output)));
    for (const auto& [value, channel] : chunk.sent) results.push_back(mapping.lookup(value));
    builder.create<mlir::func::ReturnOp>(block().getTerminator()->getLoc(), results);
  }

  Pipeline pipeline_;
  mlir::func::FuncOp main_;
  std::vector<Chunk> chunks_;
  std::vector<std::pair<int64_t, int64_t>> peers_;  // by channel: from, to
};

}  // namespace

std::unique_ptr<mlir::Pass> createSplitStagesPass() { return std::make_unique<SplitStages>(); }

}  // namespace shardwright
