// Chains of reshapes and transposes that together are one.
#include "compiler/ops/patterns/patterns.h"

namespace shardwright {
namespace {

// The op that made the value if it only regroups its operand's elements in their order.
mlir::Operation* regrouping(mlir::Value value) {
  for (const char* name : {"Reshape", "Flatten", "Squeeze", "Unsqueeze"})
    if (mlir::Operation* op = producer(value, name)) return op;
  return nullptr;
}

std::optional<std::vector<mlir::Value>> reshapeOfReshape(NodeBuilder& build, const OpView& op) {
  mlir::Operation* inner = regrouping(op.operation()->getOperand(0));
  if (!inner) return std::nullopt;
  return std::vector<mlir::Value>{build.reshape(inner->getOperand(0), op.result(0).dims)};
}

// Factors, numbered, of each dim of a value.
using Groups = std::vector<std::vector<int>>;

// The factors in order, regrouped into these dims; nothing if a dim is not a product of whole factors. Sizes of 1 are no factors.
std::optional<Groups> regroup(const Groups& from, llvm::ArrayRef<Expr> sizes, llvm::ArrayRef<Expr> dims) {
  std::vector<int> flat;
  for (const std::vector<int>& group : from) flat.insert(flat.end(), group.begin(), group.end());
  Groups to;
  size_t next = 0;
  for (const Expr& dim : dims) {
    Expr product = 1;
    to.emplace_back();
    while (product != dim) {
      if (next == flat.size()) return std::nullopt;
      product *= sizes[flat[next]];
      if (!dim.dividedBy(product)) return std::nullopt;
      to.back().push_back(flat[next++]);
    }
  }
  if (next != flat.size()) return std::nullopt;
  return to;
}

// Exporters transpose keys as matrices: [B,H,T,D] -> [B*H,T,D] -> [B*H,D,T] -> [B,H,D,T]. Where every dim moves as a whole, that
// is one Transpose, which leaves B and H apart.
std::optional<std::vector<mlir::Value>> transposeBetweenReshapes(NodeBuilder& build, const OpView& op) {
  mlir::Operation* transpose = producer(op.operation()->getOperand(0), "Transpose");
  mlir::Operation* inner = transpose ? regrouping(transpose->getOperand(0)) : nullptr;
  if (!inner) return std::nullopt;
  auto perm = transpose->getAttrOfType<mlir::DenseI64ArrayAttr>("perm");
  if (!perm) return std::nullopt;
  mlir::Value source = inner->getOperand(0);
  Exprs sizes = build.dims(source), dims = op.result(0).dims;
  if (sizes.size() != dims.size()) return std::nullopt;
  Groups groups;
  for (size_t i = 0; i < sizes.size(); ++i)
    groups.push_back(sizes[i] == Expr(1) ? std::vector<int>{} : std::vector<int>{static_cast<int>(i)});
  std::optional<Groups> merged = regroup(groups, sizes, build.dims(transpose->getOperand(0)));
  if (!merged) return std::nullopt;
  Groups moved;
  for (int64_t axis : perm.asArrayRef()) moved.push_back((*merged)[axis]);
  std::optional<Groups> result = regroup(moved, sizes, dims);
  if (!result) return std::nullopt;
  llvm::SmallVector<int64_t> permutation, ones;
  for (size_t i = 0; i < sizes.size(); ++i)
    if (sizes[i] == Expr(1)) ones.push_back(i);
  size_t nextOne = 0;
  for (const std::vector<int>& group : *result) {
    if (group.size() > 1 || (group.empty() && nextOne == ones.size())) return std::nullopt;
    permutation.push_back(group.empty() ? ones[nextOne++] : group[0]);
  }
  return std::vector<mlir::Value>{build.transpose(source, permutation)};
}

}  // namespace

llvm::ArrayRef<Pattern> reshapePatterns() {
  static const Pattern kPatterns[] = {
      {"reshape-of-reshape", "Reshape", reshapeOfReshape},
      {"transpose-between-reshapes", "Reshape", transposeBetweenReshapes},
  };
  return kPatterns;
}

}  // namespace shardwright
