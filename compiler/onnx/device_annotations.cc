#include "compiler/onnx/device_annotations.h"

#include <algorithm>
#include <map>

#include "mlir/IR/Builders.h"
#include "runtime/base/expr.h"

namespace shardwright {
namespace {

std::string quoted(const std::string& name) { return "\"" + name + "\""; }

// Reads one node's annotations of one configuration.
class NodeReader {
 public:
  NodeReader(const onnx::NodeProto& node, const DeviceConfiguration& configuration,
             const std::map<std::string, Expr>& fixed, ErrorList& errors)
      : node_(node), configuration_(configuration), fixed_(fixed), errors_(errors) {}

  NodeAnnotation read(const onnx::NodeDeviceConfigurationProto& proto) {
    NodeAnnotation result;
    result.node = node_.name();
    if (proto.has_pipeline_stage()) {
      result.stage = proto.pipeline_stage();
      if (*result.stage < 0) complain("pipeline stage " + std::to_string(*result.stage) + "; stages count from 0");
    }
    for (const onnx::ShardingSpecProto& spec : proto.sharding_spec()) {
      TensorAnnotation tensor;
      if (readTensor(spec, tensor)) result.tensors.push_back(std::move(tensor));
    }
    return result;
  }

 private:
  bool complain(const std::string& what) {
    errors_.add(node_.name(), "annotation for configuration " + quoted(configuration_.name) + ": " + what);
    return false;
  }

  bool readTensor(const onnx::ShardingSpecProto& spec, TensorAnnotation& tensor) {
    tensor.tensor = spec.tensor_name();
    auto names = [&](const auto& list) { return std::find(list.begin(), list.end(), tensor.tensor) != list.end(); };
    if (tensor.tensor.empty() || (!names(node_.input()) && !names(node_.output())))
      return complain("tensor " + quoted(tensor.tensor) + " is no input or output of the node");
    int64_t shards = 1;
    for (const onnx::ShardedDimProto& dim : spec.sharded_dim()) {
      SplitDim& split = tensor.dims.emplace_back();
      split.axis = dim.axis();
      for (const onnx::SimpleShardedDimProto& simple : dim.simple_sharding()) {
        if (simple.num_shards() < 1 || simple.num_shards() > configuration_.devices)
          return complain("tensor " + quoted(tensor.tensor) + ", axis " + std::to_string(dim.axis()) + ": " +
                          std::to_string(simple.num_shards()) + " shards; allowed are 1 to " +
                          std::to_string(configuration_.devices) + ", one per device");
        split.factors.push_back({sizeOf(simple), simple.num_shards()});
        shards = std::min<int64_t>(shards * simple.num_shards(), INT32_MAX);
      }
    }
    return readDevices(spec, shards, tensor);
  }

  // Another tool's names of sizes may be no expressions; they are as good as none.
  std::string sizeOf(const onnx::SimpleShardedDimProto& simple) const {
    if (simple.has_dim_value() && simple.dim_value() > 0) return std::to_string(simple.dim_value());
    auto size = Expr::parse(simple.dim_param());
    return simple.has_dim_param() && size.ok() ? size->substitute(fixed_).str() : "";
  }

  bool readDevices(const onnx::ShardingSpecProto& spec, int64_t shards, TensorAnnotation& tensor) {
    std::map<int64_t, std::vector<int64_t>> groups;
    for (const onnx::IntIntListEntryProto& entry : spec.index_to_device_group_map())
      groups[entry.key()].assign(entry.value().begin(), entry.value().end());
    for (int64_t device : spec.device()) {
      auto group = groups.find(device);
      tensor.devices.push_back(group == groups.end() ? std::vector<int64_t>{device} : group->second);
      for (int64_t member : tensor.devices.back())
        if (member < 0 || member >= configuration_.devices)
          return complain("tensor " + quoted(tensor.tensor) + ": there is no device " + std::to_string(member) +
                          "; the configuration has devices 0 to " + std::to_string(configuration_.devices - 1) +
                          (group == groups.end() ? ", and no group of that key is given" : ""));
    }
    if (!tensor.devices.empty() && static_cast<int64_t>(tensor.devices.size()) != shards)
      return complain("tensor " + quoted(tensor.tensor) + " is split into " + std::to_string(shards) +
                      (shards == 1 ? " shard" : " shards") + ", and lists " + std::to_string(tensor.devices.size()) +
                      " devices or groups; list one for each shard");
    return true;
  }

  const onnx::NodeProto& node_;
  const DeviceConfiguration& configuration_;
  const std::map<std::string, Expr>& fixed_;
  ErrorList& errors_;
};

// --- attributes -------------------------------------------------------------------------------------------------------------

mlir::DictionaryAttr fields(mlir::Builder& b, std::initializer_list<std::pair<llvm::StringRef, mlir::Attribute>> list) {
  mlir::NamedAttrList attrs;
  for (const auto& [name, value] : list) attrs.set(name, value);
  return attrs.getDictionary(b.getContext());
}

mlir::Attribute dimAttr(mlir::Builder& b, const SplitDim& dim) {
  llvm::SmallVector<mlir::Attribute> sizes;
  llvm::SmallVector<int64_t> shards;
  for (const SplitDim::Factor& factor : dim.factors) {
    sizes.push_back(b.getStringAttr(factor.size));
    shards.push_back(factor.shards);
  }
  return fields(b, {{"axis", b.getI64IntegerAttr(dim.axis)},
                    {"sizes", b.getArrayAttr(sizes)},
                    {"shards", b.getDenseI64ArrayAttr(shards)}});
}

mlir::Attribute tensorAttr(mlir::Builder& b, const TensorAnnotation& tensor) {
  llvm::SmallVector<mlir::Attribute> devices, dims;
  for (const std::vector<int64_t>& group : tensor.devices) devices.push_back(b.getDenseI64ArrayAttr(group));
  for (const SplitDim& dim : tensor.dims) dims.push_back(dimAttr(b, dim));
  return fields(b, {{"tensor", b.getStringAttr(tensor.tensor)},
                    {"devices", b.getArrayAttr(devices)},
                    {"dims", b.getArrayAttr(dims)}});
}

mlir::Attribute nodeAttr(mlir::Builder& b, const NodeAnnotation& node) {
  llvm::SmallVector<mlir::Attribute> tensors;
  for (const TensorAnnotation& tensor : node.tensors) tensors.push_back(tensorAttr(b, tensor));
  mlir::NamedAttrList attrs(fields(b, {{"node", b.getStringAttr(node.node)}, {"tensors", b.getArrayAttr(tensors)}}));
  if (node.stage) attrs.set("stage", b.getI64IntegerAttr(*node.stage));
  return attrs.getDictionary(b.getContext());
}

constexpr llvm::StringLiteral kConfigurationsAttr = "onnx.configurations";

// A hand-written module may hold anything there: what is missing is left out.
template <typename Visit>
void forEach(mlir::DictionaryAttr dictionary, llvm::StringRef name, Visit visit) {
  auto list = dictionary ? dictionary.getAs<mlir::ArrayAttr>(name) : mlir::ArrayAttr();
  for (mlir::Attribute element : list ? list.getValue() : llvm::ArrayRef<mlir::Attribute>()) visit(element);
}

std::string textOf(mlir::DictionaryAttr dictionary, llvm::StringRef name) {
  auto text = dictionary ? dictionary.getAs<mlir::StringAttr>(name) : mlir::StringAttr();
  return text ? text.str() : "";
}

std::optional<int64_t> numberOf(mlir::DictionaryAttr dictionary, llvm::StringRef name) {
  auto number = dictionary ? dictionary.getAs<mlir::IntegerAttr>(name) : mlir::IntegerAttr();
  return number ? std::optional<int64_t>(number.getInt()) : std::nullopt;
}

llvm::ArrayRef<int64_t> numbersOf(mlir::Attribute attribute) {
  auto numbers = mlir::dyn_cast_or_null<mlir::DenseI64ArrayAttr>(attribute);
  return numbers ? numbers.asArrayRef() : llvm::ArrayRef<int64_t>();
}

TensorAnnotation tensorOf(mlir::DictionaryAttr attr) {
  TensorAnnotation tensor;
  tensor.tensor = textOf(attr, "tensor");
  forEach(attr, "devices", [&](mlir::Attribute group) { tensor.devices.emplace_back(numbersOf(group)); });
  forEach(attr, "dims", [&](mlir::Attribute element) {
    auto dim = mlir::dyn_cast<mlir::DictionaryAttr>(element);
    if (!dim) return;
    SplitDim& split = tensor.dims.emplace_back();
    split.axis = numberOf(dim, "axis").value_or(0);
    for (int64_t shards : numbersOf(dim.get("shards"))) split.factors.push_back({"", shards});
    size_t next = 0;
    forEach(dim, "sizes", [&](mlir::Attribute size) {
      if (auto text = mlir::dyn_cast<mlir::StringAttr>(size); text && next < split.factors.size())
        split.factors[next++].size = text.str();
    });
  });
  return tensor;
}

}  // namespace

std::vector<DeviceConfiguration> readDeviceConfigurations(const onnx::ModelProto& model,
                                                          const std::map<std::string, int64_t>& fixed,
                                                          ErrorList& errors) {
  std::map<std::string, Expr> numbers(fixed.begin(), fixed.end());
  std::vector<DeviceConfiguration> configurations;
  auto named = [&](const std::string& name) {
    return std::find_if(configurations.begin(), configurations.end(),
                        [&](const DeviceConfiguration& c) { return c.name == name; });
  };
  for (const onnx::DeviceConfigurationProto& proto : model.configuration()) {
    std::string what = "device configuration " + quoted(proto.name());
    if (proto.name().empty() || named(proto.name()) != configurations.end()) {
      errors.add("", what + (proto.name().empty() ? " has no name; name it" : " is declared twice; rename one"));
      continue;
    }
    if (proto.num_devices() < 1 || (proto.device_size() > 0 && proto.device_size() != proto.num_devices()))
      errors.add("", what + " has " + std::to_string(proto.num_devices()) + " devices" +
                         (proto.device_size() > 0 ? " and names " + std::to_string(proto.device_size()) : "") +
                         "; give at least one, and names for all or none");
    configurations.push_back({proto.name(), proto.num_devices(), {}});
  }
  for (const onnx::NodeProto& node : model.graph().node())
    for (const onnx::NodeDeviceConfigurationProto& proto : node.device_configurations()) {
      auto configuration = named(proto.configuration_id());
      if (configuration == configurations.end()) {
        errors.add(node.name(), "is annotated for device configuration " + quoted(proto.configuration_id()) +
                                    ", which the model does not declare; declare it, or remove the annotation");
        continue;
      }
      NodeAnnotation annotation = NodeReader(node, *configuration, numbers, errors).read(proto);
      if (annotation.stage || !annotation.tensors.empty()) configuration->nodes.push_back(std::move(annotation));
    }
  return configurations;
}

void setDeviceConfigurations(mlir::ModuleOp module, const std::vector<DeviceConfiguration>& configurations) {
  if (configurations.empty()) return;
  mlir::Builder b(module.getContext());
  llvm::SmallVector<mlir::Attribute> all;
  for (const DeviceConfiguration& configuration : configurations) {
    llvm::SmallVector<mlir::Attribute> nodes;
    for (const NodeAnnotation& node : configuration.nodes) nodes.push_back(nodeAttr(b, node));
    all.push_back(fields(b, {{"name", b.getStringAttr(configuration.name)},
                             {"devices", b.getI64IntegerAttr(configuration.devices)},
                             {"nodes", b.getArrayAttr(nodes)}}));
  }
  module->setAttr(kConfigurationsAttr, b.getArrayAttr(all));
}

std::vector<DeviceConfiguration> deviceConfigurationsOf(mlir::ModuleOp module) {
  std::vector<DeviceConfiguration> configurations;
  forEach(module->getAttrDictionary(), kConfigurationsAttr, [&](mlir::Attribute element) {
    auto attr = mlir::dyn_cast<mlir::DictionaryAttr>(element);
    DeviceConfiguration& configuration = configurations.emplace_back();
    configuration.name = textOf(attr, "name");
    configuration.devices = numberOf(attr, "devices").value_or(0);
    forEach(attr, "nodes", [&](mlir::Attribute node) {
      auto fields = mlir::dyn_cast<mlir::DictionaryAttr>(node);
      NodeAnnotation& annotation = configuration.nodes.emplace_back();
      annotation.node = textOf(fields, "node");
      annotation.stage = numberOf(fields, "stage");
      forEach(fields, "tensors", [&](mlir::Attribute tensor) {
        annotation.tensors.push_back(tensorOf(mlir::dyn_cast<mlir::DictionaryAttr>(tensor)));
      });
    });
  });
  return configurations;
}

void removeDeviceConfigurations(mlir::ModuleOp module) { module->removeAttr(kConfigurationsAttr); }

onnx::NodeDeviceConfigurationProto toProto(const NodeAnnotation& annotation, const std::string& configuration) {
  onnx::NodeDeviceConfigurationProto proto;
  proto.set_configuration_id(configuration);
  if (annotation.stage) proto.set_pipeline_stage(static_cast<int32_t>(*annotation.stage));
  for (const TensorAnnotation& tensor : annotation.tensors) {
    onnx::ShardingSpecProto& spec = *proto.add_sharding_spec();
    spec.set_tensor_name(tensor.tensor);
    for (size_t shard = 0; shard < tensor.devices.size(); ++shard) {
      const std::vector<int64_t>& group = tensor.devices[shard];
      if (group.size() == 1) {
        spec.add_device(group[0]);
        continue;
      }
      int64_t key = -1 - static_cast<int64_t>(shard);
      spec.add_device(key);
      onnx::IntIntListEntryProto& entry = *spec.add_index_to_device_group_map();
      entry.set_key(key);
      for (int64_t device : group) entry.add_value(device);
    }
    for (const SplitDim& dim : tensor.dims) {
      onnx::ShardedDimProto& split = *spec.add_sharded_dim();
      split.set_axis(dim.axis);
      for (const SplitDim::Factor& factor : dim.factors) {
        onnx::SimpleShardedDimProto& simple = *split.add_simple_sharding();
        auto size = Expr::parse(factor.size);
        if (size.ok() && size->constant())
          simple.set_dim_value(*size->constant());
        else if (!factor.size.empty())
          simple.set_dim_param(factor.size);
        simple.set_num_shards(factor.shards);
      }
    }
  }
  return proto;
}

}  // namespace shardwright
