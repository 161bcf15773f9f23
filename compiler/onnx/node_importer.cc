#include "compiler/onnx/node_importer.h"

#include <algorithm>

#include "compiler/dist/tensor_type.h"
#include "compiler/onnx/attributes.h"
#include "compiler/onnx/external_data.h"
#include "compiler/onnx/graph_check.h"
#include "compiler/onnx/onnx_dialect.h"
#include "compiler/onnx/subgraph.h"
#include "compiler/onnx/value_names.h"

namespace shardwright {
namespace {

std::string opName(const onnx::NodeProto& node) {
  return "onnx." + (node.domain().empty() ? "" : node.domain() + ".") + node.op_type();
}

// The tensor that a Constant node's value_ints, value_float, … stands for; nothing for other attributes.
std::optional<onnx::TensorProto> tensorOfAttribute(const onnx::AttributeProto& attribute) {
  onnx::TensorProto tensor;
  const std::string& name = attribute.name();
  if (name == "value_int" || name == "value_ints") {
    tensor.set_data_type(onnx::TensorProto::INT64);
    tensor.mutable_int64_data()->CopyFrom(attribute.ints());
    if (name == "value_int") tensor.add_int64_data(attribute.i());
  } else if (name == "value_float" || name == "value_floats") {
    tensor.set_data_type(onnx::TensorProto::FLOAT);
    tensor.mutable_float_data()->CopyFrom(attribute.floats());
    if (name == "value_float") tensor.add_float_data(attribute.f());
  } else if (name == "value_string" || name == "value_strings") {
    tensor.set_data_type(onnx::TensorProto::STRING);
    tensor.mutable_string_data()->CopyFrom(attribute.strings());
    if (name == "value_string") tensor.add_string_data(attribute.s());
  } else {
    return std::nullopt;
  }
  if (name.back() == 's') tensor.add_dims(attribute.ints_size() + attribute.floats_size() + attribute.strings_size());
  return tensor;
}

}  // namespace

mlir::Value NodeImporter::lookup(const std::string& name) {
  if (!name.empty()) {
    auto known = values_.find(name);
    return known == values_.end() ? mlir::Value() : known->second;
  }
  if (!none_) none_ = builder_.create<NoneOp>(builder_.getUnknownLoc())->getResult(0);
  return none_;
}

mlir::Value NodeImporter::importTensor(const onnx::TensorProto& tensor, const std::string& name) {
  auto location = nodeLocation(builder_.getContext(), name, {name});
  if (tensor.data_location() != onnx::TensorProto::EXTERNAL) {
    auto elements = tensorAttr(builder_.getContext(), tensor);
    if (elements.ok()) return builder_.create<ConstantOp>(location, *elements)->getResult(0);
    errors_.add(name, elements.status().message());
    return {};
  }
  mlir::Type element = knownElementType(builder_.getContext(), static_cast<DType>(tensor.data_type()));
  if (!element) {
    errors_.add(name, "a weight of element type " + std::string(dtypeName(static_cast<DType>(tensor.data_type()))) +
                          ", which is not supported");
    return {};
  }
  ExternalBytes bytes = externalBytes(tensor);
  mlir::Type type = tensorType(Exprs(tensor.dims().begin(), tensor.dims().end()), element);
  mlir::Value& weight = weights_[{bytes.location, bytes.offset, type.getAsOpaquePointer()}];
  if (!weight)
    weight = builder_.create<WeightOp>(location, type, name, bytes.location, bytes.offset, bytes.length)->getResult(0);
  return weight;
}

mlir::Value NodeImporter::importConstantNode(const onnx::NodeProto& node) {
  const std::string& name = node.output(0);
  if (node.attribute_size() == 1) {
    const onnx::AttributeProto& attribute = node.attribute(0);
    if (attribute.name() == "value") return importTensor(attribute.t(), name);
    if (auto tensor = tensorOfAttribute(attribute)) return importTensor(*tensor, name);
    errors_.add(node.name(), "a Constant with attribute \"" + attribute.name() + "\" is not supported; make it dense");
  } else {
    errors_.add(node.name(),
                "a Constant needs exactly one attribute, and has " + std::to_string(node.attribute_size()));
  }
  return {};
}

void NodeImporter::addAttributes(const onnx::NodeProto& node, mlir::OperationState& state) {
  for (const onnx::AttributeProto& attribute : node.attribute()) {
    if (attribute.has_g() || attribute.graphs_size() > 0) continue;
    auto attr = attributeOf(builder_.getContext(), attribute);
    if (attr.ok())
      state.addAttribute(attribute.name(), *attr);
    else
      errors_.add(node.name(), attr.status().message());
  }
  int opset = opsetOf(node, opset_);
  if (opset != opset_) state.addAttribute("onnx.opset", builder_.getI64IntegerAttr(opset));
}

bool NodeImporter::importSubgraphs(const onnx::NodeProto& node, mlir::OperationState& state) {
  bool has = std::any_of(node.attribute().begin(), node.attribute().end(), [](const onnx::AttributeProto& attribute) {
    return attribute.has_g() || attribute.graphs_size() > 0;
  });
  if (!has) return true;
  const std::vector<std::string> names = capturedNames(node);
  llvm::SmallVector<mlir::Value> captured;
  for (const std::string& name : names) {
    captured.push_back(lookup(name));
    if (!captured.back()) return false;
  }
  addSubgraphs(node, names, captured, state);
  return true;
}

void NodeImporter::importNode(const onnx::NodeProto& node) {
  if (node.op_type() == "Constant" && node.domain().empty()) {
    if (mlir::Value value = importConstantNode(node)) define(node.output(0), value);
    return;
  }
  llvm::SmallVector<llvm::StringRef> results(node.output().begin(), node.output().end());
  mlir::OperationState state(nodeLocation(builder_.getContext(), node.name(), results), opName(node));
  for (const std::string& input : node.input()) {
    mlir::Value value = lookup(input);
    if (!value) return;  // its definition was reported
    state.addOperands(value);
  }
  addAttributes(node, state);
  if (!importSubgraphs(node, state)) return;
  for (int i = 0; i < node.output_size(); ++i) state.addTypes(builder_.getNoneType());
  mlir::Operation* op = builder_.create(state);
  for (int i = 0; i < node.output_size(); ++i)
    if (!node.output(i).empty()) define(node.output(i), op->getResult(i));
}

}  // namespace shardwright
