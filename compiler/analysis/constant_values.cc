#include "compiler/analysis/constant_values.h"

#include "compiler/dist/tensor_type.h"
#include "mlir/IR/Operation.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace shardwright {
namespace {

bool namesSymbol(llvm::ArrayRef<Expr> exprs) {
  for (Expr e : exprs)
    for (const std::string& symbol : e.symbols())
      if (symbol[0] != '@') return true;
  return false;
}

bool namesSymbol(mlir::Attribute attr) {
  if (isExprsAttr(attr)) return namesSymbol(exprsOf(attr));
  if (auto array = mlir::dyn_cast<mlir::ArrayAttr>(attr))
    return llvm::any_of(array, [](mlir::Attribute element) { return namesSymbol(element); });
  if (auto dictionary = mlir::dyn_cast<mlir::DictionaryAttr>(attr))
    return llvm::any_of(dictionary, [](mlir::NamedAttribute field) { return namesSymbol(field.getValue()); });
  return false;
}

}  // namespace

ConstantValues::ConstantValues(mlir::Block& block) {
  for (mlir::Operation& op : block) {
    if (op.getNumResults() == 0 || !mlir::isMemoryEffectFree(&op)) continue;
    bool constant =
        llvm::all_of(op.getOperands(), [&](mlir::Value v) { return values_.contains(v); }) &&
        llvm::none_of(op.getAttrs(), [](mlir::NamedAttribute attr) { return namesSymbol(attr.getValue()); });
    for (mlir::Value result : op.getResults())
      if (auto type = mlir::dyn_cast<mlir::RankedTensorType>(result.getType())) constant &= !namesSymbol(dimsOf(type));
    if (constant) values_.insert(op.result_begin(), op.result_end());
  }
}

bool ConstantValues::contains(mlir::Operation* op) const {
  return op->getNumResults() > 0 && llvm::all_of(op->getResults(), [&](mlir::Value v) { return contains(v); });
}

}  // namespace shardwright
