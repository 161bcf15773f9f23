// Owns names for unnamed nodes and the replacement of calls of a model's own functions by their bodies. It does not own the
// functions that ONNX's schemas define for their ops; see schema_function.h.
#pragma once

#include "compiler/onnx/error_list.h"
#include "onnx/onnx_pb.h"

namespace shardwright {

// Gives the k-th node of each graph the name "OpType_k" if it has none.
void nameNodes(onnx::ModelProto& model);
// "MatMul_3": the name that the node of this index in its graph then has.
std::string nameOfNode(const std::string& opType, size_t index);

// Key of NodeProto.metadata_props: the opset of the default domain that a node's function was written for, where it differs
// from the model's.
constexpr char kNodeOpsetKey[] = "shardwright.opset";

// Replaces every call of a function of the model, in subgraphs and bodies too. A body's nodes and values get the names
// "CALL/NODE" and "CALL/VALUE". Reports calls that do not fit their function, and functions that call themselves.
//   y = my.Double <times = 2>(x)  with  Double(a) => (b) { c = Const <value_int: int = @times>()  b = Mul(a, c) }  becomes
//   Double_0/c = Const <value_int = 2>()  y = Mul(x, Double_0/c)
void inlineLocalFunctions(onnx::ModelProto& model, int opset, ErrorList& errors);

}  // namespace shardwright
