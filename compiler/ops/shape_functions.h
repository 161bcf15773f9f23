// Owns what rows' shape functions share: broadcasting, axes, and results of common forms. It owns no op.
#pragma once

#include "compiler/ops/op_view.h"
#include "compiler/ops/row.h"
#include "llvm/ADT/SmallVector.h"

namespace shardwright {

using ResultShapes = llvm::SmallVectorImpl<TensorShape>;

// row.infer, or, where the row has none, the first operand's type for each result.
Status inferResults(const OpView& op, const Row& row, ResultShapes& results);

// Types of elementwise ops with broadcasting: the element type is the first operand's, or bool.
Status inferBroadcast(const OpView& op, ResultShapes& results);
Status inferComparison(const OpView& op, ResultShapes& results);
// The first operand's dims with element type bool.
Status inferBool(const OpView& op, ResultShapes& results);

// kUserError "<what> are 3 and 5, and must be equal" where the sizes provably differ; else they are taken to be equal.
Status requireEqual(const OpView& op, Expr a, Expr b, const std::string& what);

// The dims that ONNX's (numpy's) broadcasting gives. Sizes that are not provably different are taken to be equal: of two
// such sizes the number is kept before the expression, and of two expressions the one that comes first in Expr's order.
StatusOr<Exprs> broadcast(const OpView& op, llvm::ArrayRef<Exprs> shapes);

// One TensorShape for every result of the op, all alike.
Status allResults(const OpView& op, const TensorShape& shape, ResultShapes& results);

// `axis` made non-negative; kUserError unless it is in [-rank, rank).
StatusOr<int> normalizedAxis(const OpView& op, int64_t axis, int rank);
// All of them, sorted and without doubles.
StatusOr<std::vector<int>> normalizedAxes(const OpView& op, llvm::ArrayRef<int64_t> axes, int rank);

// "Conv: <what>": the form of every error about a node, whose name whoever reports it puts before it.
Status nodeError(const OpView& op, const std::string& what);

// "[batch, 12, 3*sequence]"
std::string str(llvm::ArrayRef<Expr> dims);

// The known contents of an op whose result is a window on operand 0, which `view` gives; nothing where those of the operand or
// the window are not known.
std::optional<Exprs> valueOfView(const OpView& op, decltype(ViewBody::view) view);

// Whether the sizes differ whatever the symbols are.
bool provablyDifferent(Expr a, Expr b, const Facts& facts);

}  // namespace shardwright
