// Owns what a user fixed about a value's sharding and a node's strategy, and how the annotated form says it. It does not own
// how the spec is read (passes/annotate).
//
//   on an op         dist.pins = [#dist.sharding<…>, unit], dist.pins_open = [array<i64: 1>, array<i64>]     by result
//                    dist.pin_strategy = {tp = "0.1"}     axis tp splits dim 1 of operand 0
//                    dist.wants = [#dist.sharding<…>, unit]     by operand: how the op reads it, where it can
//   on an argument   dist.pin = #dist.sharding<…>, dist.pin_open = array<i64: 1>
// Open dims are listed; the attribute may be missing.
#pragma once

#include "compiler/analysis/axis_strategies.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace shardwright {

// Closed dims are as in `sharding`; open dims are left to the compiler, and so are the granules of a closed dim whose granules
// are as many as its elements (7 over 2 ranks may be 3 and 4 or 4 and 3; heads stay together).
struct Pin {
  Sharding sharding;
  llvm::SmallVector<bool, 4> open;  // by dim; empty: all closed

  bool isOpen(size_t dim) const { return dim < open.size() && open[dim]; }
  // The part of it that is about one axis.
  Pin restrictedTo(int axis, llvm::ArrayRef<Expr> dims, const Facts& facts) const;
  bool allows(const Sharding& sharding) const;
  // `held` with the closed dims made the pin's; an open dim that is split by an axis of those becomes whole.
  Sharding imposedOn(const Sharding& held, llvm::ArrayRef<Expr> dims, const Facts& facts) const;
};
using Pins = llvm::DenseMap<mlir::Value, Pin>;

// A node's strategy: what must split which dim of which operand.
struct StrategyPin {
  unsigned operand = 0, dim = 0;
};
using StrategyPins = llvm::DenseMap<mlir::Operation*, StrategyPin>;

Pins pinsOf(mlir::func::FuncOp function);
StrategyPins strategyPinsOf(mlir::func::FuncOp function, llvm::StringRef axis);

// By operand; nothing where the op may read it as it likes.
using Wants = llvm::DenseMap<mlir::Operation*, llvm::SmallVector<std::optional<Pin>, 2>>;
Wants wantsOf(mlir::func::FuncOp function);
void setWant(mlir::OpOperand& operand, const Sharding& sharding, const Mesh& mesh);

void setPin(mlir::Value value, const Pin& pin, const Mesh& mesh);
// Who wants the value as it is, for --explain.
void setOrigin(mlir::Value value, llvm::StringRef origin);

}  // namespace shardwright
