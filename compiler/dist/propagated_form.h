// Owns the attributes by which the propagated form says what every value and every use of it is: dist.in and dist.out of
// ops, dist.sharding of the function's arguments and results. It does not own how they are chosen (passes/propagate).
//
//   dist.in  = [#dist.sharding<…>, unit]     by operand; unit for `none`
//   dist.out = [#dist.sharding<…>]           by result
// A `none` is a Sharding without dims here.
#pragma once

#include "compiler/dist/sharding.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Operation.h"

namespace shardwright {

constexpr llvm::StringLiteral kInAttr = "dist.in", kOutAttr = "dist.out", kShardingAttr = "dist.sharding",
                              kStrategyAttr = "dist.strategy", kOriginAttr = "dist.origin";

bool isNone(mlir::Value value);
// Replicated, with the value's rank.
Sharding wholeSharding(mlir::Value value);

void setInShardings(mlir::Operation* op, llvm::ArrayRef<Sharding> shardings, const Mesh& mesh);
void setOutShardings(mlir::Operation* op, llvm::ArrayRef<Sharding> shardings, const Mesh& mesh);
bool hasShardings(mlir::Operation* op);  // both attributes, of the right lengths

// Of an op that hasShardings.
Sharding inSharding(mlir::Operation* op, unsigned operand);
Sharding outSharding(mlir::OpResult result);

// What the value is held as: its op's dist.out, the argument's dist.sharding, dist.reshard's target. Empty: nothing says it.
std::optional<Sharding> heldSharding(mlir::Value value);
// What this use wants it as: its op's dist.in, the function result's dist.sharding, dist.reshard's source.
std::optional<Sharding> wantedSharding(mlir::OpOperand& use);

void setArgumentSharding(mlir::func::FuncOp function, unsigned argument, const Sharding& sharding, const Mesh& mesh);
void setResultSharding(mlir::func::FuncOp function, unsigned result, const Sharding& sharding, const Mesh& mesh);

}  // namespace shardwright
