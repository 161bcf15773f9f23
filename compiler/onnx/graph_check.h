// Owns the checks of a graph as a graph: names, order, and each node against its ONNX schema. It does not own types and shapes.
#pragma once

#include "compiler/onnx/error_list.h"
#include "onnx/onnx_pb.h"

namespace shardwright {

// Sorts the nodes of the graph and of its subgraphs so that values are defined before they are used, keeping the order where
// it does not matter. Reports, for all nodes: values that are not defined or defined twice, cycles (naming their nodes),
// attributes that the op does not have, of a wrong type, or missing, and wrong numbers of inputs and outputs. Ops without a schema are not
// checked beyond names. A node's opset is `opset`, or its own (function_inliner.h).
void checkGraph(onnx::GraphProto& graph, int opset, ErrorList& errors);

// The opset of the default domain for a node of a model with this opset.
int opsetOf(const onnx::NodeProto& node, int modelOpset);

}  // namespace shardwright
