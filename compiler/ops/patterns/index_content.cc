#include "compiler/ops/patterns/index_content.h"

#include "compiler/dist/tensor_type.h"
#include "compiler/onnx/onnx_dialect.h"

namespace shardwright {
namespace {

IndexContent constantContent(Expr value, size_t rank) { return {value, Exprs(rank, Expr(0))}; }

// What all elements of a constant are.
std::optional<Expr> sameElement(mlir::Operation* op) {
  if (auto shapeValue = mlir::dyn_cast<ShapeValueOp>(op)) {
    llvm::ArrayRef<Expr> exprs = shapeValue.exprs();
    if (!exprs.empty() && llvm::all_equal(exprs)) return exprs.front();
  }
  if (auto constant = mlir::dyn_cast<ConstantOp>(op); constant && constant.value().isSplat())
    return Expr(constant.value().getSplatValue<llvm::APInt>().getSExtValue());
  return std::nullopt;
}

// Dims of size 1 come and go, the others stay in their order.
std::optional<IndexContent> regrouped(const IndexContent& content, llvm::ArrayRef<Expr> from, llvm::ArrayRef<Expr> to) {
  IndexContent result = constantContent(content.base, to.size());
  size_t next = 0;
  for (size_t i = 0; i < to.size(); ++i) {
    if (to[i] == Expr(1)) continue;
    while (next < from.size() && from[next] == Expr(1)) ++next;
    if (next == from.size() || from[next] != to[i]) return std::nullopt;
    result.steps[i] = content.steps[next++];
  }
  while (next < from.size() && from[next] == Expr(1)) ++next;
  return next == from.size() ? std::optional(result) : std::nullopt;
}

// Dims are aligned from the right; a dim of size 1 is repeated.
IndexContent broadcastTo(const IndexContent& content, llvm::ArrayRef<Expr> from, size_t rank) {
  IndexContent result = constantContent(content.base, rank);
  for (size_t i = 0; i < from.size(); ++i)
    if (from[i] != Expr(1)) result.steps[rank - from.size() + i] = content.steps[i];
  return result;
}

std::optional<IndexContent> contentOfRange(const OpView& view) {
  std::optional<Exprs> start = view.value(0), step = view.value(2);
  if (!start || !step) return std::nullopt;
  return IndexContent{start->front(), {step->front()}};
}

std::optional<IndexContent> contentOfSum(mlir::Operation* op, int64_t sign, const Facts& facts) {
  std::optional<IndexContent> a = indexContent(op->getOperand(0), facts), b = indexContent(op->getOperand(1), facts);
  if (!a || !b) return std::nullopt;
  size_t rank = dimsOf(op->getResult(0).getType()).size();
  IndexContent left = broadcastTo(*a, dimsOf(op->getOperand(0).getType()), rank);
  IndexContent right = broadcastTo(*b, dimsOf(op->getOperand(1).getType()), rank);
  left.base += Expr(sign) * right.base;
  for (size_t i = 0; i < rank; ++i) left.steps[i] += Expr(sign) * right.steps[i];
  return left;
}

// A product with what is the same everywhere.
std::optional<IndexContent> contentOfProduct(mlir::Operation* op, const Facts& facts) {
  std::optional<IndexContent> a = indexContent(op->getOperand(0), facts), b = indexContent(op->getOperand(1), facts);
  if (!a || !b) return std::nullopt;
  size_t rank = dimsOf(op->getResult(0).getType()).size();
  IndexContent left = broadcastTo(*a, dimsOf(op->getOperand(0).getType()), rank);
  IndexContent right = broadcastTo(*b, dimsOf(op->getOperand(1).getType()), rank);
  auto isSame = [](const IndexContent& content) {
    return llvm::all_of(content.steps, [](Expr step) { return step == Expr(0); });
  };
  if (isSame(left)) std::swap(left, right);
  if (!isSame(right)) return std::nullopt;
  left.base *= right.base;
  for (Expr& step : left.steps) step *= right.base;
  return left;
}

}  // namespace

std::optional<IndexContent> indexContent(mlir::Value value, const Facts& facts) {
  mlir::Operation* op = value.getDefiningOp();
  auto type = mlir::dyn_cast<mlir::RankedTensorType>(value.getType());
  if (!op || !type || !type.getElementType().isSignlessInteger() || type.getElementType().isInteger(1))
    return std::nullopt;
  Exprs dims = dimsOf(type);
  if (std::optional<Expr> same = sameElement(op)) return constantContent(*same, dims.size());
  OpView view(op, facts);
  llvm::StringRef name = op->getName().stripDialect();
  if (name == "Range") return contentOfRange(view);
  if (name == "Add") return contentOfSum(op, 1, facts);
  if (name == "Sub") return contentOfSum(op, -1, facts);
  if (name == "Mul") return contentOfProduct(op, facts);
  bool regroups = name == "Reshape" || name == "Unsqueeze" || name == "Squeeze" || name == "Flatten";
  if (!regroups && name != "Expand" && name != "Cast") return std::nullopt;
  std::optional<IndexContent> content = indexContent(op->getOperand(0), facts);
  if (!content || name == "Cast") return content;
  if (regroups) return regrouped(*content, view.dims(0), dims);
  return broadcastTo(*content, view.dims(0), dims.size());
}

}  // namespace shardwright
