#include "passes/import/new_ops.h"

#include "compiler/onnx/value_names.h"
#include "compiler/ops/static_operands.h"

namespace shardwright {
namespace {

void nameResults(mlir::Operation* made, mlir::Operation* op, llvm::ArrayRef<mlir::Value> values) {
  std::string node = nodeName(made->getLoc());
  if (node.empty()) node = nodeName(op->getLoc());
  if (node.empty()) return;
  llvm::SmallVector<std::string> names(made->getNumResults());
  for (auto [i, value] : llvm::enumerate(values))
    if (value && value.getDefiningOp() == made)
      names[mlir::cast<mlir::OpResult>(value).getResultNumber()] = valueName(op->getResult(i));
  llvm::SmallVector<llvm::StringRef> refs(names.begin(), names.end());
  made->setLoc(nodeLocation(op->getContext(), node, refs));
}

}  // namespace

void settleNewOps(mlir::Operation* op, mlir::Operation* before, llvm::ArrayRef<mlir::Value> values,
                  const Facts& facts) {
  mlir::OpBuilder builder(op);
  for (mlir::Operation* made = op->getPrevNode(); made != before; made = made->getPrevNode()) {
    nameResults(made, op, values);
    if (const Row* row = rowOf(made)) foldStaticOperands(builder, made, *row, facts);
  }
}

}  // namespace shardwright
