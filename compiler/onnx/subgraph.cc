#include "compiler/onnx/subgraph.h"

#include <algorithm>
#include <set>

#include "compiler/onnx/error_list.h"
#include "compiler/onnx/node_importer.h"
#include "compiler/onnx/value_names.h"

namespace shardwright {
namespace {

constexpr llvm::StringLiteral kSubgraphs = "onnx.subgraphs", kCaptured = "onnx.captured";

template <typename Visit>
void forEachGraph(const onnx::NodeProto& node, Visit visit) {
  for (const onnx::AttributeProto& attribute : node.attribute()) {
    if (attribute.has_g()) visit(attribute.g());
    for (const onnx::GraphProto& graph : attribute.graphs()) visit(graph);
  }
}

void addCaptured(const onnx::GraphProto& graph, std::set<std::string> defined, std::vector<std::string>& captured) {
  auto read = [&](const std::string& name) {
    bool isNew = !name.empty() && defined.count(name) == 0 &&
                 std::find(captured.begin(), captured.end(), name) == captured.end();
    if (isNew) captured.push_back(name);
  };
  for (const onnx::ValueInfoProto& input : graph.input()) defined.insert(input.name());
  for (const onnx::TensorProto& tensor : graph.initializer()) defined.insert(tensor.name());
  for (const onnx::NodeProto& node : graph.node()) {
    for (const std::string& input : node.input()) read(input);
    forEachGraph(node, [&](const onnx::GraphProto& inner) { addCaptured(inner, defined, captured); });
    defined.insert(node.output().begin(), node.output().end());
  }
  for (const onnx::ValueInfoProto& output : graph.output()) read(output.name());
}

// The subgraph's results under the names of the op's.
void importResults(const onnx::GraphProto& graph, mlir::Operation* op, NodeImporter& nodes) {
  for (mlir::OpResult result : op->getResults()) {
    onnx::NodeProto identity;
    identity.set_op_type("Identity");
    identity.set_name(nodeName(op->getLoc()));
    identity.add_input(graph.output(static_cast<int>(result.getResultNumber())).name());
    identity.add_output(valueName(result));
    if (!identity.output(0).empty()) nodes.importNode(identity);
  }
}

}  // namespace

std::vector<std::string> capturedNames(const onnx::NodeProto& node) {
  std::vector<std::string> captured;
  forEachGraph(node, [&](const onnx::GraphProto& graph) { addCaptured(graph, {}, captured); });
  return captured;
}

void addSubgraphs(const onnx::NodeProto& node, llvm::ArrayRef<std::string> names, llvm::ArrayRef<mlir::Value> captured,
                  mlir::OperationState& state) {
  mlir::Builder builder(state.getContext());
  llvm::SmallVector<mlir::NamedAttribute> graphs;
  for (const onnx::AttributeProto& attribute : node.attribute())
    if (attribute.has_g())
      graphs.push_back(
          builder.getNamedAttr(attribute.name(), builder.getStringAttr(attribute.g().SerializeAsString())));
  std::vector<llvm::StringRef> refs(names.begin(), names.end());
  state.addOperands(captured);
  state.addAttribute(kSubgraphs, builder.getDictionaryAttr(graphs));
  state.addAttribute(kCaptured, builder.getStrArrayAttr(refs));
}

bool hasSubgraphs(mlir::Operation* op) { return op->hasAttr(kSubgraphs); }

Status expandSubgraph(mlir::Operation* op, llvm::StringRef attribute, int opset) {
  const std::string where = nodeName(op->getLoc());
  auto bytes = op->getAttrOfType<mlir::DictionaryAttr>(kSubgraphs).getAs<mlir::StringAttr>(attribute);
  onnx::GraphProto graph;
  if (!bytes || !graph.ParseFromString(bytes.str()) || graph.input_size() > 0 ||
      graph.output_size() < static_cast<int>(op->getNumResults()))
    return userError("its " + attribute.str() + " is not a graph without inputs and with " +
                     std::to_string(op->getNumResults()) + " outputs; export the model again");
  ErrorList errors(where);
  mlir::OpBuilder builder(op);
  NodeImporter nodes(builder, opset, errors);
  auto captured = op->getAttrOfType<mlir::ArrayAttr>(kCaptured).getAsValueRange<mlir::StringAttr>();
  auto operands = op->getOperands().take_back(op->getAttrOfType<mlir::ArrayAttr>(kCaptured).size());
  for (auto [name, value] : llvm::zip(captured, operands)) nodes.define(name.str(), value);
  for (const onnx::TensorProto& tensor : graph.initializer())
    if (mlir::Value value = nodes.importTensor(tensor, tensor.name())) nodes.define(tensor.name(), value);
  for (onnx::NodeProto& node : *graph.mutable_node()) {
    node.set_name(where + "/" + node.name());
    nodes.importNode(node);
  }
  importResults(graph, op, nodes);
  SW_RETURN_IF_ERROR(errors.status());
  for (mlir::OpResult result : op->getResults())
    if (std::string name = valueName(result); !name.empty()) result.replaceAllUsesWith(nodes.lookup(name));
  op->erase();
  return {};
}

}  // namespace shardwright
