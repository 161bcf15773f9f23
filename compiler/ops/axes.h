// Owns how ops name the dims they reduce. It owns no op.
#pragma once

#include <vector>

#include "compiler/ops/row.h"

namespace shardwright {

// The dims that an op with "axes" (operand 1, or an attribute) reduces: sorted; all where none are named, none where
// noop_with_empty_axes says so. kUserError where they depend on data or are out of range.
StatusOr<std::vector<int>> reducedAxes(const OpView& op);

// `dims` without `axes`, or, to keep them, with 1 there.
Exprs reducedDims(llvm::ArrayRef<Expr> dims, llvm::ArrayRef<int> axes, bool keepDims);

// "d0 k1 d2" and "d0 1 d2" or "d0 d2": the names of a reduction's operand and result; `mark` and `combiner` stand at each
// reduced factor.
struct ReductionNames {
  std::string operand, result;
};
ReductionNames reductionNames(llvm::ArrayRef<Expr> dims, llvm::ArrayRef<int> axes, bool keepDims,
                              const std::string& mark, const std::string& combiner);

}  // namespace shardwright
