// Owns how tensors with symbolic sizes are MLIR types and attributes. It does not own shardings; see sharding.h.
//
//   tensor<2x768xf32>                                       all sizes constant
//   tensor<?x?x768xf32, #dist.exprs<["batch", "sequence", 768]>>   the encoding lists every dim; constant dims are also static
// Signed integers are signless (i8 … i64), unsigned are ui8 …, bool is i1, float8 types are MLIR's own, strings are
// !onnx.string; types that MLIR 19 lacks (4-bit floats, e8m0, 2-bit ints) are refused by name on import.
// An absent optional operand is the result of onnx.None, of type `none`.
#pragma once

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "mlir/IR/BuiltinTypes.h"
#include "runtime/base/dtype.h"
#include "runtime/base/expr.h"

namespace shardwright {

using Exprs = llvm::SmallVector<Expr, 4>;

// The type of a tensor; `element` as elementType() gives it.
mlir::RankedTensorType tensorType(llvm::ArrayRef<Expr> dims, mlir::Type element);
mlir::RankedTensorType tensorType(mlir::MLIRContext* context, llvm::ArrayRef<Expr> dims, DType dtype);

// The dims of a value's type; requires a RankedTensorType whose dynamic dims are listed in its encoding.
Exprs dimsOf(mlir::Type type);
DType dtypeOf(mlir::Type tensorOrElementType);                    // kUndefined for `none`
mlir::Type elementType(mlir::MLIRContext* context, DType dtype);  // null for types that MLIR lacks

// #dist.exprs<["batch*2", 3]>: a list of expressions as an attribute, uniqued; also the encoding above.
mlir::Attribute exprsAttr(mlir::MLIRContext* context, llvm::ArrayRef<Expr> exprs);
bool isExprsAttr(mlir::Attribute attr);
llvm::ArrayRef<Expr> exprsOf(mlir::Attribute attr);  // requires isExprsAttr

}  // namespace shardwright
