// Owns which values of a block follow from constants alone, and so are computed once at load. The compiler evaluates
// none of them.
#pragma once

#include "llvm/ADT/DenseSet.h"
#include "mlir/IR/Block.h"

namespace shardwright {

// A value is constant if its op's operands are, and neither its type nor the op's attributes name a symbol other than a
// rank's coordinate.
class ConstantValues {
 public:
  explicit ConstantValues(mlir::Block& block);
  bool contains(mlir::Value value) const { return values_.contains(value); }
  bool contains(mlir::Operation* op) const;  // all results

 private:
  llvm::DenseSet<mlir::Value> values_;
};

}  // namespace shardwright
