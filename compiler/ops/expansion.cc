#include "compiler/ops/expansion.h"

namespace shardwright {

const ExpandBody* expansionOf(const Row& row) {
  if (const auto* body = std::get_if<ExpandBody>(&row.lowering)) return body;
  return row.decomposition.expand ? &row.decomposition : nullptr;
}

Row expandedOnImport(const char* name, Status (*infer)(const OpView& op, llvm::SmallVectorImpl<TensorShape>& results),
                     ExpandFunction expand, const char* domain) {
  Row row;
  row.name = name;
  row.domain = domain;
  row.infer = infer;
  row.lowering = ExpandBody{expand};
  row.expandOnImport = true;
  return row;
}

bool expandOp(mlir::OpBuilder& builder, mlir::Operation* op, const Row& row, const Facts& facts) {
  const ExpandBody* body = expansionOf(row);
  if (!body) return false;
  mlir::OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPoint(op);
  std::vector<mlir::Value> values = body->expand(builder, OpView(op, facts));
  if (values.empty() && op->getNumResults() > 0) return false;
  assert(values.size() == op->getNumResults() && "an expansion gives a value for each result");
  for (unsigned i = 0; i < op->getNumResults(); ++i) {
    if (!values[i]) continue;  // of a result that nobody uses
    const bool isOperand = llvm::is_contained(op->getOperands(), values[i]);
    if (!isOperand) values[i].setType(op->getResult(i).getType());
    op->getResult(i).replaceAllUsesWith(values[i]);
  }
  op->erase();
  return true;
}

}  // namespace shardwright
