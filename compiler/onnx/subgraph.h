// Owns how the subgraphs of a node wait in the IR until it is known which one runs, and how that one then takes the op's
// place. It does not own how it becomes known.
//
// Behind the node's own operands the op has the values of outer graphs that its subgraphs read:
//   onnx.If(%condition, %x) {onnx.subgraphs = {then_branch = "<a GraphProto's bytes>", …}, onnx.captured = ["x"]}
#pragma once

#include <string>
#include <vector>

#include "mlir/IR/Operation.h"
#include "onnx/onnx_pb.h"
#include "runtime/base/status.h"

namespace shardwright {

// The names that the node's subgraphs read and do not define, in the order of their first uses.
std::vector<std::string> capturedNames(const onnx::NodeProto& node);
// Adds what the header says of the node's subgraphs; `captured` are the values of `names`, which are capturedNames'.
void addSubgraphs(const onnx::NodeProto& node, llvm::ArrayRef<std::string> names, llvm::ArrayRef<mlir::Value> captured,
                  mlir::OperationState& state);

bool hasSubgraphs(mlir::Operation* op);
// Replaces the op by the nodes of the subgraph of this attribute, whose names then begin with the op's: "If_3/Squeeze_0". The
// results keep their names. kUserError for a subgraph with inputs, and for nodes that cannot be imported.
Status expandSubgraph(mlir::Operation* op, llvm::StringRef attribute, int opset);

}  // namespace shardwright
