#include "compiler/dist/propagated_form.h"

#include "compiler/dist/dist_dialect.h"

namespace shardwright {
namespace {

mlir::ArrayAttr shardingsAttr(mlir::MLIRContext* context, llvm::ArrayRef<Sharding> shardings, mlir::ValueRange values,
                              const Mesh& mesh) {
  assert(shardings.size() == values.size());
  llvm::SmallVector<mlir::Attribute> attrs;
  for (auto [sharding, value] : llvm::zip(shardings, values))
    attrs.push_back(isNone(value) ? mlir::UnitAttr::get(context) : shardingAttr(context, sharding, mesh));
  return mlir::ArrayAttr::get(context, attrs);
}

Sharding readSharding(mlir::Attribute attr) { return mlir::isa<mlir::UnitAttr>(attr) ? Sharding() : shardingOf(attr); }

bool hasList(mlir::Operation* op, llvm::StringRef name, size_t size) {
  auto list = op->getAttrOfType<mlir::ArrayAttr>(name);
  return list && list.size() == size;
}

}  // namespace

bool isNone(mlir::Value value) { return mlir::isa<mlir::NoneType>(value.getType()); }

Sharding wholeSharding(mlir::Value value) {
  return Sharding::replicated(isNone(value) ? 0 : static_cast<int>(dimsOf(value.getType()).size()));
}

void setInShardings(mlir::Operation* op, llvm::ArrayRef<Sharding> shardings, const Mesh& mesh) {
  op->setAttr(kInAttr, shardingsAttr(op->getContext(), shardings, op->getOperands(), mesh));
}

void setOutShardings(mlir::Operation* op, llvm::ArrayRef<Sharding> shardings, const Mesh& mesh) {
  op->setAttr(kOutAttr, shardingsAttr(op->getContext(), shardings, op->getResults(), mesh));
}

bool hasShardings(mlir::Operation* op) {
  return hasList(op, kInAttr, op->getNumOperands()) && hasList(op, kOutAttr, op->getNumResults());
}

Sharding inSharding(mlir::Operation* op, unsigned operand) {
  return readSharding(op->getAttrOfType<mlir::ArrayAttr>(kInAttr)[operand]);
}

Sharding outSharding(mlir::OpResult result) {
  return readSharding(result.getOwner()->getAttrOfType<mlir::ArrayAttr>(kOutAttr)[result.getResultNumber()]);
}

std::optional<Sharding> heldSharding(mlir::Value value) {
  if (auto argument = mlir::dyn_cast<mlir::BlockArgument>(value)) {
    auto function = mlir::dyn_cast<mlir::func::FuncOp>(argument.getOwner()->getParentOp());
    auto attr = function ? function.getArgAttr(argument.getArgNumber(), kShardingAttr) : mlir::Attribute();
    return attr ? std::optional(shardingOf(attr)) : std::nullopt;
  }
  mlir::Operation* op = value.getDefiningOp();
  if (auto reshard = mlir::dyn_cast<dist::ReshardOp>(op)) return shardingOf(reshard.getToAttr());
  if (!hasList(op, kOutAttr, op->getNumResults())) return std::nullopt;
  return outSharding(mlir::cast<mlir::OpResult>(value));
}

std::optional<Sharding> wantedSharding(mlir::OpOperand& use) {
  mlir::Operation* op = use.getOwner();
  if (auto reshard = mlir::dyn_cast<dist::ReshardOp>(op)) return shardingOf(reshard.getFromAttr());
  if (mlir::isa<mlir::func::ReturnOp>(op)) {
    auto function = mlir::cast<mlir::func::FuncOp>(op->getParentOp());
    auto attr = function.getResultAttr(use.getOperandNumber(), kShardingAttr);
    return attr ? std::optional(shardingOf(attr)) : std::nullopt;
  }
  if (!hasList(op, kInAttr, op->getNumOperands())) return std::nullopt;
  return inSharding(op, use.getOperandNumber());
}

void setArgumentSharding(mlir::func::FuncOp function, unsigned argument, const Sharding& sharding, const Mesh& mesh) {
  function.setArgAttr(argument, kShardingAttr, shardingAttr(function.getContext(), sharding, mesh));
}

void setResultSharding(mlir::func::FuncOp function, unsigned result, const Sharding& sharding, const Mesh& mesh) {
  function.setResultAttr(result, kShardingAttr, shardingAttr(function.getContext(), sharding, mesh));
}

}  // namespace shardwright
