#include "compiler/onnx/function_inliner.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <vector>

namespace shardwright {
namespace {

using Nodes = google::protobuf::RepeatedPtrField<onnx::NodeProto>;
using FunctionId = std::tuple<std::string, std::string, std::string>;  // domain, name, overload

std::string displayName(const onnx::NodeProto& node) {
  return node.domain().empty() ? node.op_type() : node.domain() + "." + node.op_type();
}

}  // namespace

std::string nameOfNode(const std::string& opType, size_t index) { return opType + "_" + std::to_string(index); }

namespace {

void nameNodes(Nodes& nodes) {
  for (int k = 0; k < nodes.size(); ++k) {
    onnx::NodeProto& node = nodes[k];
    if (node.name().empty()) node.set_name(nameOfNode(node.op_type(), static_cast<size_t>(k)));
    for (onnx::AttributeProto& attribute : *node.mutable_attribute()) {
      if (attribute.has_g()) nameNodes(*attribute.mutable_g()->mutable_node());
      for (onnx::GraphProto& graph : *attribute.mutable_graphs()) nameNodes(*graph.mutable_node());
    }
  }
}

// Copies one function's body for one call.
class BodyCopy {
 public:
  BodyCopy(const onnx::FunctionProto& function, const onnx::NodeProto& call, std::string prefix)
      : function_(function), prefix_(std::move(prefix)) {
    for (int i = 0; i < function.input_size(); ++i)
      values_[function.input(i)] = i < call.input_size() ? call.input(i) : "";
    for (const onnx::AttributeProto& attribute : function.attribute_proto()) attributes_[attribute.name()] = &attribute;
    for (const onnx::AttributeProto& attribute : call.attribute()) attributes_[attribute.name()] = &attribute;
    for (int i = 0; i < std::min(function.output_size(), call.output_size()); ++i) {
      if (call.output(i).empty()) continue;
      // An output that is an input, or is given out twice, has its name already.
      if (!values_.emplace(function.output(i), call.output(i)).second)
        copies_.emplace_back(values_[function.output(i)], call.output(i));
    }
  }

  void appendTo(std::vector<onnx::NodeProto>& out) {
    for (const onnx::NodeProto& node : function_.node()) {
      out.push_back(node);
      renameNode(out.back());
    }
    for (const auto& [from, to] : copies_) {
      onnx::NodeProto& node = out.emplace_back();
      node.set_op_type("Identity");
      node.set_name(prefix_ + to);
      node.add_input(from);
      node.add_output(to);
    }
  }

 private:
  void rename(std::string& value) const {
    if (value.empty()) return;
    auto known = values_.find(value);
    value = known == values_.end() ? prefix_ + value : known->second;
  }

  void renameNode(onnx::NodeProto& node) const {
    node.set_name(prefix_ + node.name());
    for (std::string& input : *node.mutable_input()) rename(input);
    for (std::string& output : *node.mutable_output()) rename(output);
    for (onnx::NodeDeviceConfigurationProto& devices : *node.mutable_device_configurations())
      for (onnx::ShardingSpecProto& spec : *devices.mutable_sharding_spec()) rename(*spec.mutable_tensor_name());
    auto& attributes = *node.mutable_attribute();
    for (int i = attributes.size() - 1; i >= 0; --i) {
      if (!attributes[i].ref_attr_name().empty()) {
        auto given = attributes_.find(attributes[i].ref_attr_name());
        if (given == attributes_.end()) {
          attributes.DeleteSubrange(i, 1);  // an optional attribute that the caller left out
          continue;
        }
        std::string name = attributes[i].name();
        attributes[i] = *given->second;
        attributes[i].set_name(name);
        continue;  // a graph given by the caller speaks of the caller's values
      }
      if (attributes[i].has_g()) renameGraph(*attributes[i].mutable_g());
      for (onnx::GraphProto& graph : *attributes[i].mutable_graphs()) renameGraph(graph);
    }
  }

  void renameGraph(onnx::GraphProto& graph) const {
    for (onnx::ValueInfoProto& value : *graph.mutable_input()) rename(*value.mutable_name());
    for (onnx::ValueInfoProto& value : *graph.mutable_output()) rename(*value.mutable_name());
    for (onnx::TensorProto& tensor : *graph.mutable_initializer()) rename(*tensor.mutable_name());
    for (onnx::NodeProto& node : *graph.mutable_node()) renameNode(node);
  }

  const onnx::FunctionProto& function_;
  std::string prefix_;
  std::map<std::string, std::string> values_;
  std::map<std::string, const onnx::AttributeProto*> attributes_;
  std::vector<std::pair<std::string, std::string>> copies_;
};

class Inliner {
 public:
  Inliner(const onnx::ModelProto& model, int opset, ErrorList& errors) : opset_(opset), errors_(errors) {
    for (const onnx::FunctionProto& function : model.functions())
      functions_[{function.domain(), function.name(), function.overload()}] = &function;
  }

  void inlineIn(Nodes& nodes) {
    std::vector<onnx::NodeProto> out;
    for (onnx::NodeProto& node : nodes) append(std::move(node), opset_, out);
    nodes.Clear();
    for (onnx::NodeProto& node : out) *nodes.Add() = std::move(node);
  }

 private:
  void append(onnx::NodeProto node, int opset, std::vector<onnx::NodeProto>& out) {
    FunctionId id{node.domain(), node.op_type(), node.overload()};
    auto found = functions_.find(id);
    if (found == functions_.end()) {
      for (onnx::AttributeProto& attribute : *node.mutable_attribute()) {
        if (attribute.has_g()) inlineIn(*attribute.mutable_g()->mutable_node());
        for (onnx::GraphProto& graph : *attribute.mutable_graphs()) inlineIn(*graph.mutable_node());
      }
      if (opset != opset_) {
        onnx::StringStringEntryProto& entry = *node.add_metadata_props();
        entry.set_key(kNodeOpsetKey);
        entry.set_value(std::to_string(opset));
      }
      out.push_back(std::move(node));
      return;
    }
    const onnx::FunctionProto& function = *found->second;
    if (!fits(function, node)) return;
    if (std::find(active_.begin(), active_.end(), id) != active_.end())
      return errors_.add(node.name(), "calls function " + displayName(node) +
                                          ", which calls itself; ONNX forbids it: export the model again");
    active_.push_back(id);
    std::vector<onnx::NodeProto> body;
    BodyCopy(function, node, uniquePrefix(node.name())).appendTo(body);
    int bodyOpset = opset;
    for (const onnx::OperatorSetIdProto& import : function.opset_import())
      if (import.domain().empty() || import.domain() == "ai.onnx") bodyOpset = static_cast<int>(import.version());
    for (onnx::NodeProto& inner : body) annotateAs(node, inner);
    for (onnx::NodeProto& inner : body) append(std::move(inner), bodyOpset, out);
    active_.pop_back();
  }

  // What a call is annotated with goes for its body, where that says nothing itself.
  static void annotateAs(const onnx::NodeProto& call, onnx::NodeProto& inner) {
    for (const onnx::NodeDeviceConfigurationProto& given : call.device_configurations()) {
      auto& own = *inner.mutable_device_configurations();
      auto same = std::find_if(own.begin(), own.end(), [&](const onnx::NodeDeviceConfigurationProto& devices) {
        return devices.configuration_id() == given.configuration_id();
      });
      onnx::NodeDeviceConfigurationProto& devices = same == own.end() ? *own.Add() : *same;
      devices.set_configuration_id(given.configuration_id());
      if (given.has_pipeline_stage() && !devices.has_pipeline_stage())
        devices.set_pipeline_stage(given.pipeline_stage());
      for (const onnx::ShardingSpecProto& spec : given.sharding_spec()) {
        auto names = [&](const auto& list) {
          return std::find(list.begin(), list.end(), spec.tensor_name()) != list.end();
        };
        bool isSaid =
            std::any_of(devices.sharding_spec().begin(), devices.sharding_spec().end(),
                        [&](const onnx::ShardingSpecProto& said) { return said.tensor_name() == spec.tensor_name(); });
        if (!isSaid && (names(inner.input()) || names(inner.output()))) *devices.add_sharding_spec() = spec;
      }
    }
  }

  bool fits(const onnx::FunctionProto& function, const onnx::NodeProto& call) {
    bool fits = true;
    auto complain = [&](const char* what, int given, int allowed) {
      errors_.add(call.name(), "gives function " + displayName(call) + " " + std::to_string(given) + " " + what +
                                   ", and it has " + std::to_string(allowed) + "; export the model again");
      fits = false;
    };
    if (call.input_size() > function.input_size()) complain("inputs", call.input_size(), function.input_size());
    if (call.output_size() > function.output_size()) complain("outputs", call.output_size(), function.output_size());
    for (const std::string& required : function.attribute()) {
      bool given = std::any_of(call.attribute().begin(), call.attribute().end(),
                               [&](const onnx::AttributeProto& a) { return a.name() == required; });
      if (given) continue;
      errors_.add(call.name(),
                  "calls function " + displayName(call) + " without its attribute \"" + required + "\"; set it");
      fits = false;
    }
    return fits;
  }

  std::string uniquePrefix(const std::string& callName) {
    std::string prefix = callName;
    for (int k = 1; !prefixes_.insert(prefix).second; ++k) prefix = callName + "_" + std::to_string(k);
    return prefix + "/";
  }

  int opset_;
  ErrorList& errors_;
  std::map<FunctionId, const onnx::FunctionProto*> functions_;
  std::vector<FunctionId> active_;
  std::set<std::string> prefixes_;
};

}  // namespace

void nameNodes(onnx::ModelProto& model) {
  nameNodes(*model.mutable_graph()->mutable_node());
  for (onnx::FunctionProto& function : *model.mutable_functions()) nameNodes(*function.mutable_node());
}

void inlineLocalFunctions(onnx::ModelProto& model, int opset, ErrorList& errors) {
  if (model.functions().empty()) return;
  Inliner(model, opset, errors).inlineIn(*model.mutable_graph()->mutable_node());
  model.clear_functions();
}

}  // namespace shardwright
