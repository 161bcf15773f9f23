// Owns the dialect `onnx` and its four ops that are no ONNX node: None, Constant, Weight, ShapeValue. The ops that are ONNX
// nodes come from the rows of compiler/ops (see row_op.h there), which also registers them.
#pragma once

#include "llvm/ADT/ArrayRef.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "runtime/base/expr.h"

namespace shardwright {

class OnnxDialect : public mlir::Dialect {
 public:
  explicit OnnxDialect(mlir::MLIRContext* context);
  static constexpr llvm::StringLiteral getDialectNamespace() { return "onnx"; }
};

// What the four have in common: no operands, one result, no effects (so CSE merges them and unused ones go).
template <typename ConcreteOp>
using OnnxLeafOp =
    mlir::Op<ConcreteOp, mlir::OpTrait::ZeroOperands, mlir::OpTrait::OneResult, mlir::OpTrait::ZeroRegions,
             mlir::OpTrait::ZeroSuccessors, mlir::ConditionallySpeculatable::Trait,
             mlir::OpTrait::AlwaysSpeculatableImplTrait, mlir::MemoryEffectOpInterface::Trait>;

// An absent operand: "onnx.None"() : () -> none.
class NoneOp : public OnnxLeafOp<NoneOp> {
 public:
  using Op::Op;
  static llvm::StringRef getOperationName() { return "onnx.None"; }
  static llvm::ArrayRef<llvm::StringRef> getAttributeNames() { return {}; }
  static void build(mlir::OpBuilder& builder, mlir::OperationState& state);
  void getEffects(llvm::SmallVectorImpl<mlir::MemoryEffects::EffectInstance>&) {}
  mlir::LogicalResult verify();
};

// A small constant, in the IR: {value = dense<…>}; the result's shape and element type are the attribute's.
class ConstantOp : public OnnxLeafOp<ConstantOp> {
 public:
  using Op::Op;
  static llvm::StringRef getOperationName() { return "onnx.Constant"; }
  static llvm::ArrayRef<llvm::StringRef> getAttributeNames();
  static void build(mlir::OpBuilder& builder, mlir::OperationState& state, mlir::DenseElementsAttr value);
  mlir::DenseElementsAttr value();
  void getEffects(llvm::SmallVectorImpl<mlir::MemoryEffects::EffectInstance>&) {}
  mlir::LogicalResult verify();
};

// Bytes of a file, never loaded by the compiler: little endian, row major, `length` bytes at `offset` of `location`, a path
// relative to the model's folder. `name` is the initializer's. With {begin, whole} the value is a window on such bytes:
// `whole` are the dims of the tensor there, `begin` is the window's first index per dim, and its type has the window's dims;
// `name` then ends in the window, as in "c_attn.weight[:,128:256]".
class WeightOp : public OnnxLeafOp<WeightOp> {
 public:
  using Op::Op;
  static llvm::StringRef getOperationName() { return "onnx.Weight"; }
  static llvm::ArrayRef<llvm::StringRef> getAttributeNames();
  static void build(mlir::OpBuilder& builder, mlir::OperationState& state, mlir::Type type, llvm::StringRef name,
                    llvm::StringRef location, int64_t offset, int64_t length);
  llvm::StringRef name();
  llvm::StringRef location();
  int64_t offset();
  int64_t length();
  // Empty where the value is not a window.
  llvm::ArrayRef<int64_t> whole();
  llvm::ArrayRef<int64_t> begin();
  void getEffects(llvm::SmallVectorImpl<mlir::MemoryEffects::EffectInstance>&) {}
  mlir::LogicalResult verify();
};

// An integer tensor of constant sizes whose elements are expressions: {exprs = #dist.exprs<["batch", 3]>}.
class ShapeValueOp : public OnnxLeafOp<ShapeValueOp> {
 public:
  using Op::Op;
  static llvm::StringRef getOperationName() { return "onnx.ShapeValue"; }
  static llvm::ArrayRef<llvm::StringRef> getAttributeNames();
  static void build(mlir::OpBuilder& builder, mlir::OperationState& state, mlir::Type type, llvm::ArrayRef<Expr> exprs);
  llvm::ArrayRef<Expr> exprs();
  void getEffects(llvm::SmallVectorImpl<mlir::MemoryEffects::EffectInstance>&) {}
  mlir::LogicalResult verify();
};

// The largest constant that becomes an onnx.Constant and not an onnx.Weight.
constexpr int64_t kMaxConstantBytes = 1024;

}  // namespace shardwright
