#include "compiler/analysis/op_strategy.h"
#include "compiler/dist/dist_dialect.h"
#include "compiler/dist/module_symbols.h"
#include "compiler/dist/stage_form.h"
#include "compiler/onnx/onnx_dialect.h"
#include "compiler/ops/row.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Pass/Pass.h"
#include "passes/partition/reshards.h"
#include "passes/passes.h"

namespace shardwright {
namespace {

// Turns the propagated form into the partitioned one: every value becomes this rank's shard of it.
//
// Contract: each function afterwards takes the caller's global tensors, inputs then outputs (marked dist.output), and returns
// nothing; what goes from one function of a pipeline to another is sent and received. Types in between are local, their dims
// expressions over coordinates; with microbatches they are of one part of the batch, read from and written to windows of
// the caller's tensors. A value without a sharding is whole. An op
// on shards is the same op; where a split shifts indices its row says which attributes change (Row::localize).
//
//   %y = onnx.MatMul(%x, %w) {dist.in = [[_, _], [_, {tp}]], dist.out = [[_, {tp}]]} : tensor<?x1024xf32>
//   → %y = onnx.MatMul(%x, %w) : tensor<?x512xf32>        on 2 ranks, %w being an onnx.Weight of 512 columns
struct Partition : mlir::PassWrapper<Partition, mlir::OperationPass<mlir::ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(Partition)
  llvm::StringRef getArgument() const final { return "partition"; }
  llvm::StringRef getDescription() const final { return "make every value this rank's shard of it"; }
  void getDependentDialects(mlir::DialectRegistry& registry) const final {
    registerDistDialect(registry);
    registry.insert<OnnxDialect>();
  }

  void runOnOperation() final {
    mesh_ = meshOf(getOperation());
    facts_ = factsOf(getOperation());
    totals_ = totalsOf(getOperation());
    const std::vector<mlir::func::FuncOp> chunks = chunksOf(getOperation());
    if (chunks.empty()) getOperation().emitError("internal error: the module has no function main");
    bool failed = chunks.empty();
    for (mlir::func::FuncOp function : chunks) failed = failed || mlir::failed(partition(function));
    if (failed) signalPassFailure();
  }

  mlir::LogicalResult partition(mlir::func::FuncOp function) {
    mlir::Block& old = function.getBody().front();
    mlir::OpBuilder builder(function);
    mlir::func::FuncOp local = declare(builder, function);
    mlir::Block* block = local.addEntryBlock();
    builder.setInsertionPointToStart(block);
    mlir::IRMapping mapping;
    unsigned port = 0;
    for (auto [i, argument] : llvm::enumerate(old.getArguments())) {
      Sharding sharding = shardingOfArgument(function, i);
      mlir::Value value = isReceived(function, i)
                              ? receive(builder, function, i, sharding)
                              : read(builder, block->getArgument(port++), argument.getType(), sharding);
      if (!value) return function.emitError(noWindow(function.getArgAttrDict(i), "input"));
      mapping.map(argument, value);
    }
    ReshardEmitter reshards(getOperation(), mesh_, facts_);
    for (mlir::Operation& op : old.without_terminator())
      if (mlir::failed(localize(builder, &op, mapping, reshards))) return mlir::failure();
    for (auto [i, result] : llvm::enumerate(old.getTerminator()->getOperands())) {
      mlir::Value value = mapping.lookup(result);
      if (isSent(function, i))
        send(builder, function, i, value);
      else if (!write(builder, value, block->getArgument(port++), result.getType(), shardingOfResult(function, i)))
        return function.emitError(noWindow(function.getResultAttrDict(i), "output"));
    }
    builder.create<mlir::func::ReturnOp>(old.getTerminator()->getLoc());
    function.erase();
    return mlir::success();
  }

  // The function on the caller's tensors: the model's inputs, then its outputs.
  mlir::func::FuncOp declare(mlir::OpBuilder& builder, mlir::func::FuncOp function) const {
    llvm::SmallVector<mlir::Type> types;
    llvm::SmallVector<mlir::DictionaryAttr> attrs;
    for (unsigned i = 0; i < function.getNumArguments(); ++i) {
      if (isReceived(function, i)) continue;
      types.push_back(portType(function.getArgumentTypes()[i]));
      attrs.push_back(function.getArgAttrDict(i));
    }
    for (unsigned i = 0; i < function.getNumResults(); ++i) {
      if (isSent(function, i)) continue;
      types.push_back(portType(function.getResultTypes()[i]));
      mlir::NamedAttrList list(function.getResultAttrDict(i));
      list.set("dist.output", builder.getUnitAttr());
      attrs.push_back(list.getDictionary(function.getContext()));
    }
    auto type = builder.getFunctionType(types, {});
    auto local = builder.create<mlir::func::FuncOp>(function.getLoc(), function.getName(), type);
    if (mlir::Attribute stage = function->getAttr(kStageAttr)) local->setAttr(kStageAttr, stage);
    for (auto [i, attr] : llvm::enumerate(attrs)) local.setArgAttrs(i, attr);
    return local;
  }

  static bool isReceived(mlir::func::FuncOp function, unsigned i) {
    return argumentNumber(function, i, kReceiveAttr) >= 0;
  }
  static bool isSent(mlir::func::FuncOp function, unsigned i) { return resultNumber(function, i, kSendAttr) >= 0; }

  // --- the caller's tensors -------------------------------------------------------------------------------------------------

  // With microbatches the caller's tensors have the whole batch.
  mlir::Type portType(mlir::Type type) const {
    auto tensor = mlir::dyn_cast<mlir::RankedTensorType>(type);
    if (totals_.empty() || !tensor) return type;
    Exprs dims = dimsOf(type);
    for (Expr& dim : dims) dim = dim.substitute(totals_);
    return tensorType(dims, tensor.getElementType());
  }

  // This microbatch's window of a port: it begins at the port's first element, as the executor moves the port along. Null if
  // there is no such window: the batch is in several dims, or is not the major factor of its dim.
  mlir::Value microbatchOf(mlir::OpBuilder& builder, mlir::Value port, mlir::Type part) const {
    if (port.getType() == part) return port;
    Exprs whole = dimsOf(port.getType()), dims = dimsOf(part);
    int64_t at = -1;
    for (size_t d = 0; d < dims.size(); ++d) {
      if (whole[d] == dims[d]) continue;
      if (at >= 0 || !isMadeOfBatch(whole[d])) return {};
      at = static_cast<int64_t>(d);
    }
    return builder.create<dist::SliceOp>(port.getLoc(), part, port, builder.getI64IntegerAttr(at),
                                         ExprsAttr::get(builder.getContext(), {Expr(0)}));
  }

  bool isMadeOfBatch(Expr whole) const {
    return llvm::any_of(totals_, [&](const auto& total) { return whole.dividedBy(total.second).has_value(); });
  }

  static std::string noWindow(mlir::DictionaryAttr attrs, const std::string& kind) {
    auto name = attrs ? attrs.getAs<mlir::StringAttr>("onnx.name") : mlir::StringAttr();
    return kind + " \"" + (name ? name.str() : "") +
           "\" has the batch in no dim of its own, so that it cannot be cut into microbatches; compile with "
           "--microbatches 1";
  }

  Sharding shardingOr(mlir::Attribute attr, mlir::Type type) const {
    return attr ? shardingOf(attr) : Sharding::replicated(dimsOf(type).size());
  }
  Sharding shardingOfArgument(mlir::func::FuncOp function, unsigned i) const {
    return shardingOr(function.getArgAttr(i, "dist.sharding"), function.getArgument(i).getType());
  }
  Sharding shardingOfResult(mlir::func::FuncOp function, unsigned i) const {
    return shardingOr(function.getResultAttr(i, "dist.sharding"), function.getResultTypes()[i]);
  }

  mlir::Type localType(mlir::Type global, const Sharding& sharding) const {
    auto tensor = mlir::dyn_cast<mlir::RankedTensorType>(global);
    if (!tensor) return global;
    return tensorType(localDims(sharding, dimsOf(global), mesh_), tensor.getElementType());
  }

  ShardingAttr attrOf(mlir::OpBuilder& builder, const Sharding& sharding) const {
    return mlir::cast<ShardingAttr>(shardingAttr(builder.getContext(), sharding, mesh_));
  }

  mlir::Value read(mlir::OpBuilder& builder, mlir::Value port, mlir::Type type, const Sharding& sharding) const {
    mlir::Value part = microbatchOf(builder, port, type);
    if (!part) return {};
    return builder.create<dist::ReadOp>(port.getLoc(), localType(type, sharding), part, attrOf(builder, sharding));
  }

  // Of the ranks that hold the same part the first writes it.
  bool write(mlir::OpBuilder& builder, mlir::Value value, mlir::Value port, mlir::Type type,
             const Sharding& sharding) const {
    mlir::Value part = microbatchOf(builder, port, type);
    if (!part) return false;
    Expr others = 0;
    for (const SubAxis& sub : freeAxes(mesh_, sharding.usedAxes())) others += mesh_.coordinate(sub);
    ExprsAttr guard;
    if (others != Expr(0)) guard = ExprsAttr::get(builder.getContext(), {Expr(1) - Expr::min(others, 1)});
    builder.create<dist::WriteOp>(value.getLoc(), value, part, attrOf(builder, sharding), guard);
    return true;
  }

  // --- other stages ---------------------------------------------------------------------------------------------------------

  mlir::Value receive(mlir::OpBuilder& builder, mlir::func::FuncOp function, unsigned i,
                      const Sharding& sharding) const {
    return builder.create<dist::ReceiveOp>(function.getArgument(i).getLoc(),
                                           localType(function.getArgumentTypes()[i], sharding),
                                           static_cast<uint64_t>(argumentNumber(function, i, kReceiveAttr)),
                                           static_cast<uint64_t>(argumentNumber(function, i, kPeerAttr)));
  }

  void send(mlir::OpBuilder& builder, mlir::func::FuncOp function, unsigned i, mlir::Value value) const {
    builder.create<dist::SendOp>(value.getLoc(), value, static_cast<uint64_t>(resultNumber(function, i, kSendAttr)),
                                 static_cast<uint64_t>(resultNumber(function, i, kPeerAttr)));
  }

  llvm::SmallVector<Sharding, 2> shardings(mlir::Operation* op, llvm::StringRef name, mlir::TypeRange types) const {
    llvm::SmallVector<Sharding, 2> result;
    auto list = op->getAttrOfType<mlir::ArrayAttr>(name);
    for (auto [i, type] : llvm::enumerate(types)) {
      bool said = list && i < list.size() && !mlir::isa<mlir::UnitAttr>(list[i]);
      result.push_back(said ? shardingOf(list[i])
                            : Sharding::replicated(mlir::isa<mlir::NoneType>(type) ? 0 : dimsOf(type).size()));
    }
    return result;
  }

  mlir::LogicalResult localize(mlir::OpBuilder& builder, mlir::Operation* op, mlir::IRMapping& mapping,
                               ReshardEmitter& reshards) {
    if (auto reshard = mlir::dyn_cast<dist::ReshardOp>(op)) {
      mlir::Value local = reshards.emit(builder, reshard, mapping.lookup(reshard.getInput()));
      if (!local) return mlir::failure();
      mapping.map(reshard.getResult(), local);
      return mlir::success();
    }
    auto in = shardings(op, "dist.in", op->getOperandTypes()), out = shardings(op, "dist.out", op->getResultTypes());
    mlir::Operation* local = builder.clone(*op, mapping);
    for (llvm::StringRef name : {"dist.in", "dist.out", "dist.strategy"}) local->removeAttr(name);
    for (auto [i, result] : llvm::enumerate(local->getResults())) result.setType(localType(result.getType(), out[i]));
    if (mlir::isa<WeightOp>(op)) {
      local->setAttr("dist.global", exprsAttr(builder.getContext(), dimsOf(op->getResult(0).getType())));
      local->setAttr("dist.sharding", shardingAttr(builder.getContext(), out[0], mesh_));
    }
    const Row* row = rowOf(op);
    return row ? localizeAttributes(op, local, *row, in, out) : mlir::success();
  }

  mlir::LogicalResult localizeAttributes(mlir::Operation* op, mlir::Operation* local, const Row& row,
                                         llvm::ArrayRef<Sharding> in, llvm::ArrayRef<Sharding> out) {
    OpView view(op, facts_);
    if (const auto* reduce = std::get_if<ReduceBody>(&row.lowering); reduce && reduce->finish) {
      Expr count = 1;
      for (int axis : reduce->axes(view)) count *= dimsOf(op->getOperand(0).getType())[axis];
      local->setAttr("dist.count", exprsAttr(op->getContext(), {count}));
    }
    if (!row.localize) return mlir::success();
    auto rule = ruleOf(view, row);
    if (!rule.ok()) return op->emitError(rule.status().message());
    Row::LocalAttrs attrs = row.localize(view, *rule, strategyFromShardings(*rule, view, in, out), mesh_);
    for (const auto& [name, attr] : attrs.set) local->setAttr(name, attr);
    return mlir::success();
  }

  Mesh mesh_;
  Facts facts_;
  std::map<std::string, Expr> totals_;  // of microbatches; see stage_form.h
};

}  // namespace

std::unique_ptr<mlir::Pass> createPartitionPass() { return std::make_unique<Partition>(); }

}  // namespace shardwright
