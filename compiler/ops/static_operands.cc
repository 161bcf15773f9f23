#include "compiler/ops/static_operands.h"

#include "compiler/onnx/onnx_dialect.h"

namespace shardwright {

bool foldStaticOperands(mlir::OpBuilder& builder, mlir::Operation* op, const Row& row, const Facts& facts) {
  const OpView view(op, facts);
  llvm::SmallVector<mlir::Attribute> folded(op->getNumOperands(), builder.getUnitAttr());
  if (auto before = op->getAttrOfType<mlir::ArrayAttr>("static"))
    for (size_t i = 0; i < before.size() && i < folded.size(); ++i) folded[i] = before[i];
  bool changed = false;
  for (unsigned i = 0; i < op->getNumOperands() && i < 32; ++i) {
    if (!(row.staticOperands >> i & 1) || !view.has(static_cast<int>(i))) continue;
    const std::optional<Exprs> value = view.value(static_cast<int>(i));
    if (!value) continue;
    folded[i] = exprsAttr(builder.getContext(), *value);
    mlir::OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPoint(op);
    op->setOperand(i, builder.create<NoneOp>(op->getLoc())->getResult(0));
    changed = true;
  }
  if (changed) op->setAttr("static", builder.getArrayAttr(folded));
  return changed;
}

}  // namespace shardwright
