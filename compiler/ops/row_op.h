// Owns the MLIR ops that rows become: one registered op per row, all of one class. It owns no row and no attribute.
#pragma once

#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace shardwright {

struct Row;

// The class of every op that has a row, whatever its name: any operands, results and regions, no effects. isa<RowOp>(op) says
// whether the op has a row; rowOf(op) says which. Each row registers its own name and TypeID with this class's traits, so
// that CSE and DCE work on every op while no template is instantiated per row.
class RowOp : public mlir::Op<RowOp, mlir::OpTrait::VariadicOperands, mlir::OpTrait::VariadicResults,
                              mlir::OpTrait::VariadicRegions, mlir::OpTrait::ZeroSuccessors,
                              mlir::ConditionallySpeculatable::Trait, mlir::OpTrait::AlwaysSpeculatableImplTrait,
                              mlir::MemoryEffectOpInterface::Trait> {
 public:
  using Op::Op;
  static llvm::StringRef getOperationName() { return "onnx.<row>"; }  // never registered itself
  static llvm::ArrayRef<llvm::StringRef> getAttributeNames() { return {}; }
  static bool classof(mlir::Operation* op);
  void getEffects(llvm::SmallVectorImpl<mlir::MemoryEffects::EffectInstance>&) {}
};

// "onnx.Add", "onnx.com.microsoft.BiasGelu".
std::string irName(llvm::StringRef domain, llvm::StringRef name);

// Registers the dialect `onnx` with its four leaf ops and an op for every row. What else the IR needs (dist, func) is not in it.
void registerOnnxDialect(mlir::DialectRegistry& registry);

}  // namespace shardwright
