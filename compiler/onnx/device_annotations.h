// Owns ONNX's multi-device annotations as data: how they are read from a model and checked by themselves, how the module carries
// them, and their form in a model that is written. What they mean on a mesh is passes/annotate's.
//
//   onnx.configurations = [{name = "tp=2", devices = 2, nodes = [{node = "MatMul_1", stage = 0, tensors = [
//       {tensor = "x", devices = [array<i64: 0>, array<i64: 1>], dims = [{axis = 1, sizes = ["batch"], shards = array<i64: 2>}]}]}]}]
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "compiler/onnx/error_list.h"
#include "mlir/IR/BuiltinOps.h"
#include "onnx/onnx_pb.h"

namespace shardwright {

// A dim that is split, as factors in order, the major one first: its size, an expression over the model's symbols (empty
// where it is not said), and its number of shards.
struct SplitDim {
  struct Factor {
    std::string size;
    int64_t shards = 1;
  };
  int64_t axis = 0;  // may count from the end
  std::vector<Factor> factors;
};

struct TensorAnnotation {
  std::string tensor;
  std::vector<std::vector<int64_t>> devices;  // by shard, the first split dim outermost; empty: not said
  std::vector<SplitDim> dims;
};

struct NodeAnnotation {
  std::string node;
  std::optional<int64_t> stage;
  std::vector<TensorAnnotation> tensors;
};

struct DeviceConfiguration {
  std::string name;
  int64_t devices = 0;
  std::vector<NodeAnnotation> nodes;
};

// Reports configurations without name or devices or declared twice, and of nodes: configurations that the model does not declare,
// tensors that the node has not, devices beyond the configuration's, as many devices as there are no shards, numbers out of range.
// Symbols in `fixed` are these numbers.
std::vector<DeviceConfiguration> readDeviceConfigurations(const onnx::ModelProto& model,
                                                          const std::map<std::string, int64_t>& fixed,
                                                          ErrorList& errors);

void setDeviceConfigurations(mlir::ModuleOp module, const std::vector<DeviceConfiguration>& configurations);
std::vector<DeviceConfiguration> deviceConfigurationsOf(mlir::ModuleOp module);
void removeDeviceConfigurations(mlir::ModuleOp module);

// What a node of a written model says. Shards on several devices each are groups, whose keys are negative.
onnx::NodeDeviceConfigurationProto toProto(const NodeAnnotation& annotation, const std::string& configuration);

}  // namespace shardwright
