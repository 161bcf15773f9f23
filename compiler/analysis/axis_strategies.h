// Owns strategies over one mesh axis at a time and how those of several axes become one. It does not choose them; see
// split_symbol.h and strategy_search.h.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "compiler/ops/row.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/MapVector.h"
#include "mlir/IR/Block.h"

namespace shardwright {

// The parsed rule of each op of a block, on global shapes. Ops without operands or results, and ops without a row, have none.
class BlockRules {
 public:
  // kInternal if a row's rule does not fit its op.
  static StatusOr<BlockRules> build(mlir::Block& block, const Facts& facts);
  const Rule* find(mlir::Operation* op) const;
  // Whether the op may do this: no factor that must be whole is split, no part of an axis is used twice, and the row agrees.
  bool admits(mlir::Operation* op, const Strategy& strategy) const;

 private:
  const Facts* facts_ = nullptr;
  llvm::DenseMap<mlir::Operation*, size_t> index_;
  std::vector<Rule> rules_;
};

// The shape of a value; kUndefined for none.
TensorShape shapeOf(mlir::Value value);

// A partial sum over `axis` that an op lets through: these operands (bit i for operand i) and all results are partial.
struct PassedPartial {
  SubAxis axis;
  uint32_t operands = 0;
};

// What an op does: which factors are split, and which sums it leaves open.
struct OpStrategy {
  Strategy strategy;
  llvm::SmallVector<PassedPartial, 1> passed;
};

// A choice over one axis. Ops and leaves that are absent are whole.
struct AxisStrategies {
  llvm::DenseMap<mlir::Operation*, OpStrategy> ops;
  // How arguments, weights and values that the user pinned are held.
  llvm::DenseMap<mlir::Value, Sharding> leaves;
  std::vector<Sharding> results;  // how the function's results are held; empty: whole
};

// The shardings of an op's operands and results. `rule` null: all whole.
struct OpShardings {
  std::vector<Sharding> in, out;
};
OpShardings shardingsOf(mlir::Operation* op, const Rule* rule, const OpStrategy& strategy, const Facts& facts);

// Splits that both make, the axes of `a` major where both split a factor at the same place. A split of `b` that `a`'s leaves
// no room for is dropped: the value is then resharded, which is correct and slow.
//   a = h:{dp} of 8 heads, b = h:{tp}       ->  h:{dp,tp}
//   a = n:{tp} of 2304,    b = n:3*{sp}     ->  n:{tp} where tp does not divide 3
Strategy compose(const Rule& rule, const Strategy& a, const Strategy& b);
// `a` where the op admits both but not together.
OpStrategy compose(mlir::Operation* op, const BlockRules& rules, const OpStrategy& a, const OpStrategy& b);
// The same for a value: each dim is a factor.
Sharding compose(const Sharding& a, const Sharding& b, llvm::ArrayRef<Expr> dims, const Facts& facts);

// The splits of `sharding` over one axis of the mesh, as if the others were not there.
Sharding restrictTo(const Sharding& sharding, int axis, llvm::ArrayRef<Expr> dims, const Facts& facts);

// "b:{dp} n:3*{tp}/12": per factor its splits, major first, with (outer)* where it is not 1 and /(granules) where they are
// not the number of parts; "partial:{tp}" for sums that are let through.
std::string str(const Rule& rule, const OpStrategy& strategy, const Mesh& mesh);

}  // namespace shardwright
