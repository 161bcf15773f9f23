// Owns how ONNX nodes and tensors become ops of the onnx dialect. It does not own functions and modules; see import.h.
#pragma once

#include <map>
#include <string>
#include <tuple>

#include "compiler/onnx/error_list.h"
#include "mlir/IR/Builders.h"
#include "onnx/onnx_pb.h"

namespace shardwright {

// Builds ops where the builder stands. Results of nodes have the type `none` until types are inferred.
class NodeImporter {
 public:
  // Nodes are of `opset` of the default domain unless they say otherwise; ops of another get the attribute onnx.opset.
  NodeImporter(mlir::OpBuilder& builder, int opset, ErrorList& errors)
      : builder_(builder), opset_(opset), errors_(errors) {}

  void define(const std::string& name, mlir::Value value) { values_[name] = value; }
  // The value with this ONNX name, onnx.None for ""; requires that it is defined.
  mlir::Value lookup(const std::string& name);

  // An onnx.Constant or an onnx.Weight, the same op for equal references; null and reported if the type is not supported.
  mlir::Value importTensor(const onnx::TensorProto& tensor, const std::string& name);

  // One op, its results defined under their names. Errors are reported and leave the results undefined.
  void importNode(const onnx::NodeProto& node);

 private:
  mlir::Value importConstantNode(const onnx::NodeProto& node);
  void addAttributes(const onnx::NodeProto& node, mlir::OperationState& state);
  // False where the definition of a value that they read was reported.
  bool importSubgraphs(const onnx::NodeProto& node, mlir::OperationState& state);

  mlir::OpBuilder& builder_;
  int opset_;
  ErrorList& errors_;
  std::map<std::string, mlir::Value> values_;
  std::map<std::tuple<std::string, int64_t, const void*>, mlir::Value> weights_;  // by location, offset, type
  mlir::Value none_;
};

}  // namespace shardwright
