#include "compiler/ops/dim_names.h"

namespace shardwright {

std::string dimNames(const std::string& name, size_t count, const std::string& mark) {
  std::string text;
  for (size_t i = 0; i < count; ++i) text += (i ? " " : "") + mark + name + std::to_string(i);
  return text;
}

std::string sizesOperand(const OpView& op, int operand) {
  if (!op.has(operand)) return "-";
  return op.rank(operand) ? "!sizes" + std::to_string(operand) : "";
}

std::string sizesOperands(const OpView& op, int first) {
  std::string text;
  for (int i = first; i < op.numOperands(); ++i) text += ", " + sizesOperand(op, i);
  return text;
}

std::string broadcastNames(llvm::ArrayRef<Expr> dims, llvm::ArrayRef<std::string> names) {
  std::string text;
  for (size_t i = 0; i < dims.size(); ++i)
    text += (i ? " " : "") + (dims[i] == Expr(1) ? "1" : names[names.size() - dims.size() + i]);
  return text;
}

}  // namespace shardwright
