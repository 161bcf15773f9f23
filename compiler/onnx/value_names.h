// Owns where the IR keeps ONNX's names of nodes and values: in locations, so that equal ops can be merged whatever their
// names. loc("Split_3"(fused["q", "k", "v"])) is node Split_3 with three results, loc("Add_1"("y")) has one.
#pragma once

#include <string>

#include "mlir/IR/Location.h"
#include "mlir/IR/Value.h"

namespace shardwright {

mlir::Location nodeLocation(mlir::MLIRContext* context, llvm::StringRef node, llvm::ArrayRef<llvm::StringRef> results);

// "Split_3"; empty where the op came from no node.
std::string nodeName(mlir::Location location);

// The ONNX name of an argument of the function, an initializer, or a node's result; empty for values that passes made.
std::string valueName(mlir::Value value);

}  // namespace shardwright
