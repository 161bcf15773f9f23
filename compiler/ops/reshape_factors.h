// Owns the algebra of reshapes: which digits of the flat index the dims on both sides share, and what strides a reshaped window
// has. It knows no op.
#pragma once

#include <string>

#include "compiler/ops/row.h"

namespace shardwright {

// The rule "operand dims -> result dims" of a reshape of the first into the second. A digit that both sides have is a factor;
// digits of one side only are whole. Dims of size 1 are "1".
//   [batch*sequence, 768] -> [batch, sequence, 12, 64]     "(a={batch} b={sequence}) (c=12 d=64) -> a b c d"
//   [4, 6] -> [6, 4]                                       "(a=2 !b=2) !d=6 -> (a=2 !c=3) !e=4"
struct ReshapeRule {
  std::string operand, result;
};
ReshapeRule reshapeRule(llvm::ArrayRef<Expr> from, llvm::ArrayRef<Expr> to, const Facts& facts);

// The window as `dims`; nothing unless its strides provably allow it.
std::optional<SymbolicView> reshapeView(const SymbolicView& from, llvm::ArrayRef<Expr> dims, const Facts& facts);

// Row-major strides of a dense tensor.
Exprs denseStrides(llvm::ArrayRef<Expr> dims);

}  // namespace shardwright
