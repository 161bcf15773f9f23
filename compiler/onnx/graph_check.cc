#include "compiler/onnx/graph_check.h"

#include <algorithm>
#include <functional>
#include <map>
#include <queue>
#include <set>
#include <vector>

#include "compiler/onnx/function_inliner.h"
#include "onnx/defs/schema.h"

namespace shardwright {
namespace {

// Which node of a graph defines a value; inputs and initializers are defined by none.
constexpr int kNoNode = -1;
struct Definition {
  int node = kNoNode;
  std::string by;  // in messages
};

// The values that are visible in a graph: its own, and those of the graphs around it.
struct Scope {
  const Scope* outer = nullptr;
  std::map<std::string, Definition> values;

  bool sees(const std::string& name) const {
    for (const Scope* scope = this; scope; scope = scope->outer)
      if (scope->values.count(name)) return true;
    return false;
  }
};

// Calls `use` with every value of a graph around it that a node reads, itself or in subgraphs.
void forEachUse(const onnx::NodeProto& node, const std::function<void(const std::string&)>& use);

void forEachCapture(const onnx::GraphProto& graph, const std::function<void(const std::string&)>& use) {
  std::set<std::string> own;
  for (const onnx::ValueInfoProto& value : graph.input()) own.insert(value.name());
  for (const onnx::TensorProto& tensor : graph.initializer()) own.insert(tensor.name());
  for (const onnx::NodeProto& node : graph.node()) own.insert(node.output().begin(), node.output().end());
  auto useOuter = [&](const std::string& name) {
    if (!own.count(name)) use(name);
  };
  for (const onnx::NodeProto& node : graph.node()) forEachUse(node, useOuter);
  for (const onnx::ValueInfoProto& value : graph.output()) useOuter(value.name());
}

void forEachUse(const onnx::NodeProto& node, const std::function<void(const std::string&)>& use) {
  for (const std::string& input : node.input())
    if (!input.empty()) use(input);
  for (const onnx::AttributeProto& attribute : node.attribute()) {
    if (attribute.has_g()) forEachCapture(attribute.g(), use);
    for (const onnx::GraphProto& graph : attribute.graphs()) forEachCapture(graph, use);
  }
}

std::string joined(const std::vector<std::string>& names, const char* separator) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : separator) + name;
  return text;
}

class GraphChecker {
 public:
  GraphChecker(int opset, ErrorList& errors) : opset_(opset), errors_(errors) {}

  void check(onnx::GraphProto& graph, const Scope* outer) {
    Scope scope;
    scope.outer = outer;
    define(graph, scope);
    if (!outer && graph.output_size() == 0)
      errors_.add(
          "", "graph \"" + graph.name() + "\" has no outputs, so that nothing is to be computed; export it with some");
    bool allDefined = true;
    for (const onnx::NodeProto& node : graph.node()) allDefined &= checkUses(node, scope);
    for (const onnx::ValueInfoProto& output : graph.output()) {
      if (scope.sees(output.name())) continue;
      errors_.add("", "output \"" + output.name() + "\" of graph \"" + graph.name() +
                          "\" is not defined by any node; remove it, or export the model again");
    }
    if (allDefined) sort(graph, scope);
    for (onnx::NodeProto& node : *graph.mutable_node()) {
      checkSchema(node);
      for (onnx::AttributeProto& attribute : *node.mutable_attribute()) {
        if (attribute.has_g()) check(*attribute.mutable_g(), &scope);
        for (onnx::GraphProto& inner : *attribute.mutable_graphs()) check(inner, &scope);
      }
    }
  }

 private:
  void define(const onnx::GraphProto& graph, Scope& scope) {
    auto add = [&](const std::string& name, int node, const std::string& by) {
      auto [known, isNew] = scope.values.try_emplace(name, Definition{node, by});
      if (!isNew)
        errors_.add(node == kNoNode ? "" : by, "value \"" + name + "\" is defined again, it is " +
                                                   (known->second.node == kNoNode ? "" : "a result of ") +
                                                   known->second.by +
                                                   "; names of values must be unique: export the model again");
    };
    std::set<std::string> inputs;
    for (const onnx::ValueInfoProto& input : graph.input()) {
      add(input.name(), kNoNode, "an input of the graph");
      inputs.insert(input.name());
    }
    // An initializer with an input's name is that input's default.
    for (const onnx::TensorProto& tensor : graph.initializer())
      if (!inputs.erase(tensor.name())) add(tensor.name(), kNoNode, "an initializer");
    for (int k = 0; k < graph.node_size(); ++k)
      for (const std::string& output : graph.node(k).output())
        if (!output.empty()) add(output, k, graph.node(k).name());
  }

  // A graph inside the node is checked when it is reached; here only the node's own inputs.
  bool checkUses(const onnx::NodeProto& node, const Scope& scope) {
    bool good = true;
    for (const std::string& input : node.input()) {
      if (input.empty() || scope.sees(input)) continue;
      errors_.add(node.name(),
                  "reads value \"" + input + "\", which no node, input or initializer defines; export the model again");
      good = false;
    }
    return good;
  }

  // Kahn's algorithm; of the nodes that are ready, the one that came first in the file.
  void sort(onnx::GraphProto& graph, const Scope& scope) {
    const int count = graph.node_size();
    std::vector<std::set<int>> users(count);
    std::vector<int> waitsFor(count);
    for (int k = 0; k < count; ++k)
      forEachUse(graph.node(k), [&](const std::string& name) {
        auto definition = scope.values.find(name);
        if (definition == scope.values.end() || definition->second.node == kNoNode) return;
        if (users[definition->second.node].insert(k).second) ++waitsFor[k];
      });
    std::priority_queue<int, std::vector<int>, std::greater<>> ready;
    for (int k = 0; k < count; ++k)
      if (waitsFor[k] == 0) ready.push(k);
    std::vector<int> order;
    while (!ready.empty()) {
      int k = ready.top();
      ready.pop();
      order.push_back(k);
      for (int user : users[k])
        if (--waitsFor[user] == 0) ready.push(user);
    }
    if (static_cast<int>(order.size()) < count) return reportCycle(graph, users, waitsFor);
    if (std::is_sorted(order.begin(), order.end())) return;
    google::protobuf::RepeatedPtrField<onnx::NodeProto> sorted;
    for (int k : order) *sorted.Add() = std::move(*graph.mutable_node(k));
    graph.mutable_node()->Swap(&sorted);
  }

  // Every node that still waits has a predecessor that waits; going backwards must come to some node again.
  void reportCycle(const onnx::GraphProto& graph, const std::vector<std::set<int>>& users,
                   const std::vector<int>& waitsFor) {
    auto waiting = [&](int k) { return waitsFor[k] > 0; };
    auto predecessor = [&](int node) {
      for (int k = 0; k < graph.node_size(); ++k)
        if (waiting(k) && users[k].count(node)) return k;
      return kNoNode;
    };
    int node = 0;
    while (!waiting(node)) ++node;
    std::vector<int> path;
    while (std::find(path.begin(), path.end(), node) == path.end()) {
      path.push_back(node);
      node = predecessor(node);
    }
    path.erase(path.begin(), std::find(path.begin(), path.end(), node));
    std::reverse(path.begin(), path.end());
    std::vector<std::string> names;
    for (int k : path) names.push_back(graph.node(k).name());
    names.push_back(names.front());
    errors_.add(names.front(), "is in a cycle: " + joined(names, " -> ") +
                                   "; an ONNX graph has none (loops are Loop nodes): export the model again");
  }

  void checkSchema(const onnx::NodeProto& node) {
    if (!node.domain().empty()) return;
    const onnx::OpSchema* schema = onnx::OpSchemaRegistry::Schema(node.op_type(), opsetOf(node, opset_), node.domain());
    if (!schema) return;
    checkCount(node, "inputs", node.input_size(), schema->min_input(), schema->max_input());
    checkCount(node, "outputs", node.output_size(), schema->min_output(), schema->max_output());
    for (const onnx::AttributeProto& attribute : node.attribute()) checkAttribute(node, attribute, *schema);
    for (const auto& [name, declared] : schema->attributes()) {
      bool given = std::any_of(node.attribute().begin(), node.attribute().end(),
                               [&, &name = name](const onnx::AttributeProto& a) { return a.name() == name; });
      if (declared.required && !given)
        errors_.add(node.name(),
                    node.op_type() + " needs attribute \"" + name + "\" (" + typeName(declared.type) + "); set it");
    }
  }

  void checkCount(const onnx::NodeProto& node, const char* what, int found, int least, int most) {
    if (found >= least && found <= most) return;
    std::string allowed = least == most ? std::to_string(least)
                          : most > 1000 ? "at least " + std::to_string(least)
                                        : std::to_string(least) + " to " + std::to_string(most);
    errors_.add(node.name(), node.op_type() + " has " + std::to_string(found) + " " + what + ", and takes " + allowed +
                                 "; export the model again");
  }

  void checkAttribute(const onnx::NodeProto& node, const onnx::AttributeProto& attribute,
                      const onnx::OpSchema& schema) {
    auto declared = schema.attributes().find(attribute.name());
    if (declared == schema.attributes().end()) {
      std::vector<std::string> names;
      for (const auto& [name, unused] : schema.attributes()) names.push_back(name);
      errors_.add(node.name(), node.op_type() + " has no attribute \"" + attribute.name() + "\"; it has " +
                                   (names.empty() ? "none" : joined(names, ", ")));
    } else if (declared->second.type != attribute.type()) {
      errors_.add(node.name(), "attribute \"" + attribute.name() + "\" is of type " + typeName(attribute.type()) +
                                   "; " + node.op_type() + " needs " + typeName(declared->second.type));
    }
  }

  static std::string typeName(onnx::AttributeProto::AttributeType type) {
    return onnx::AttributeProto::AttributeType_Name(type);
  }

  int opset_;
  ErrorList& errors_;
};

}  // namespace

int opsetOf(const onnx::NodeProto& node, int modelOpset) {
  for (const onnx::StringStringEntryProto& entry : node.metadata_props())
    if (entry.key() == kNodeOpsetKey) return std::atoi(entry.value().c_str());
  return modelOpset;
}

void checkGraph(onnx::GraphProto& graph, int opset, ErrorList& errors) {
  GraphChecker(opset, errors).check(graph, nullptr);
}

}  // namespace shardwright
