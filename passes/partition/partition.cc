#include "compiler/analysis/op_strategy.h"
#include "compiler/dist/dist_dialect.h"
#include "compiler/dist/module_symbols.h"
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
// Contract: @main afterwards takes the caller's global tensors, inputs then outputs (marked dist.output), and returns
// nothing; types in between are local, their dims expressions over coordinates. A value without a sharding is whole. An op
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
    auto function = getOperation().lookupSymbol<mlir::func::FuncOp>("main");
    if (!function) {
      getOperation().emitError("internal error: the module has no function main");
      return signalPassFailure();
    }
    if (mlir::failed(partition(function))) signalPassFailure();
  }

  mlir::LogicalResult partition(mlir::func::FuncOp function) {
    mlir::Block& old = function.getBody().front();
    llvm::SmallVector<mlir::Type> types(old.getArgumentTypes());
    llvm::SmallVector<mlir::DictionaryAttr> attrs;
    for (unsigned i = 0; i < function.getNumArguments(); ++i) attrs.push_back(function.getArgAttrDict(i));
    addOutputs(function, types, attrs);
    mlir::OpBuilder builder(function);
    auto type = builder.getFunctionType(types, {});
    auto local = builder.create<mlir::func::FuncOp>(function.getLoc(), function.getName(), type);
    for (auto [i, attr] : llvm::enumerate(attrs)) local.setArgAttrs(i, attr);
    mlir::Block* block = local.addEntryBlock();
    builder.setInsertionPointToStart(block);
    mlir::IRMapping mapping;
    for (auto [i, argument] : llvm::enumerate(old.getArguments()))
      mapping.map(argument, read(builder, block->getArgument(i), shardingOfArgument(function, i)));
    ReshardEmitter reshards(getOperation(), mesh_, facts_);
    for (mlir::Operation& op : old.without_terminator())
      if (mlir::failed(localize(builder, &op, mapping, reshards))) return mlir::failure();
    for (auto [i, value] : llvm::enumerate(old.getTerminator()->getOperands()))
      write(builder, mapping.lookup(value), block->getArgument(old.getNumArguments() + i),
            shardingOfResult(function, i));
    builder.create<mlir::func::ReturnOp>(old.getTerminator()->getLoc());
    function.erase();
    return mlir::success();
  }

  static void addOutputs(mlir::func::FuncOp function, llvm::SmallVector<mlir::Type>& types,
                         llvm::SmallVector<mlir::DictionaryAttr>& attrs) {
    mlir::Builder builder(function.getContext());
    for (unsigned i = 0; i < function.getNumResults(); ++i) {
      types.push_back(function.getResultTypes()[i]);
      mlir::NamedAttrList list(function.getResultAttrDict(i));
      list.set("dist.output", builder.getUnitAttr());
      attrs.push_back(list.getDictionary(function.getContext()));
    }
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

  mlir::Value read(mlir::OpBuilder& builder, mlir::Value argument, const Sharding& sharding) const {
    auto attr = mlir::cast<ShardingAttr>(shardingAttr(builder.getContext(), sharding, mesh_));
    return builder.create<dist::ReadOp>(argument.getLoc(), localType(argument.getType(), sharding), argument, attr);
  }

  // Of the ranks that hold the same part the first writes it.
  void write(mlir::OpBuilder& builder, mlir::Value value, mlir::Value output, const Sharding& sharding) const {
    Expr others = 0;
    for (const SubAxis& sub : freeAxes(mesh_, sharding.usedAxes())) others += mesh_.coordinate(sub);
    ExprsAttr guard;
    if (others != Expr(0)) guard = ExprsAttr::get(builder.getContext(), {Expr(1) - Expr::min(others, 1)});
    auto attr = mlir::cast<ShardingAttr>(shardingAttr(builder.getContext(), sharding, mesh_));
    builder.create<dist::WriteOp>(value.getLoc(), value, output, attr, guard);
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
};

}  // namespace

std::unique_ptr<mlir::Pass> createPartitionPass() { return std::make_unique<Partition>(); }

}  // namespace shardwright
