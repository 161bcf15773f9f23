#include "compiler/onnx/schema_function.h"

#include <exception>

#include "compiler/dist/tensor_type.h"
#include "compiler/onnx/attributes.h"
#include "compiler/onnx/function_inliner.h"
#include "compiler/onnx/node_importer.h"
#include "compiler/onnx/onnx_dialect.h"
#include "compiler/onnx/value_names.h"
#include "onnx/defs/function.h"
#include "onnx/defs/schema.h"

namespace shardwright {
namespace {

// "onnx.com.microsoft.Gelu" -> {"com.microsoft", "Gelu"}.
std::pair<std::string, std::string> domainAndName(mlir::Operation* op) {
  auto [domain, name] = op->getName().getStringRef().drop_front(sizeof "onnx." - 1).rsplit('.');
  return name.empty() ? std::pair(std::string(), domain.str()) : std::pair(domain.str(), name.str());
}

std::string operandName(int i) { return "operand" + std::to_string(i); }
std::string resultName(int i) { return "result" + std::to_string(i); }

// The op as a call with made-up names; static operands are as good as absent, as no row of this op made them.
onnx::NodeProto callOf(mlir::Operation* op) {
  onnx::NodeProto node;
  auto [domain, name] = domainAndName(op);
  node.set_domain(domain);
  node.set_op_type(name);
  node.set_name(nodeName(op->getLoc()));
  for (mlir::OpOperand& operand : op->getOpOperands())
    node.add_input(operand.get().getDefiningOp<NoneOp>() ? "" : operandName(operand.getOperandNumber()));
  for (unsigned i = 0; i < op->getNumResults(); ++i) node.add_output(resultName(i));
  for (mlir::NamedAttribute attr : op->getAttrs()) {
    onnx::AttributeProto proto;
    if (attr.getName() != "onnx.opset" && toAttributeProto(attr.getName(), attr.getValue(), proto))
      *node.add_attribute() = proto;
  }
  return node;
}

onnx::TypeProto typeProto(mlir::Type type) {
  onnx::TypeProto proto;
  auto tensor = mlir::dyn_cast<mlir::RankedTensorType>(type);
  if (!tensor) return proto;
  proto.mutable_tensor_type()->set_elem_type(static_cast<int32_t>(dtypeOf(type)));
  auto* shape = proto.mutable_tensor_type()->mutable_shape();
  for (const Expr& dim : dimsOf(type)) {
    if (dim.isConstant())
      shape->add_dim()->set_dim_value(*dim.constant());
    else
      shape->add_dim()->set_dim_param(dim.str());
  }
  return proto;
}

bool buildBody(const onnx::OpSchema& schema, const onnx::NodeProto& call, mlir::Operation* op, int opset,
               onnx::FunctionProto& body) {
  if (schema.HasContextDependentFunction()) {
    std::vector<onnx::TypeProto> types;
    for (mlir::Value operand : op->getOperands()) types.push_back(typeProto(operand.getType()));
    onnx::FunctionBodyBuildContextImpl context(call, types);
    return schema.BuildContextDependentFunction(context, body, opset);
  }
  const onnx::FunctionProto* fixed = schema.GetFunction(opset);
  if (!fixed) return false;
  body = *fixed;
  return true;
}

// Defaults of the schema's attributes are the caller's where it gave none; bodies refer to them.
void addDefaults(const onnx::OpSchema& schema, onnx::NodeProto& call) {
  for (const auto& [name, attribute] : schema.attributes()) {
    bool given = false;
    for (const onnx::AttributeProto& has : call.attribute()) given |= has.name() == name;
    if (!given && attribute.default_value.type() != onnx::AttributeProto::UNDEFINED)
      *call.add_attribute() = attribute.default_value;
  }
}

}  // namespace

const onnx::OpSchema* schemaOf(mlir::Operation* op, int opset) {
  auto [domain, name] = domainAndName(op);
  return onnx::OpSchemaRegistry::Schema(name, domain.empty() ? opset : onnx::OpSchema::kUninitializedSinceVersion,
                                        domain);
}

bool hasSchemaFunction(mlir::Operation* op, int opset) {
  const onnx::OpSchema* schema = schemaOf(op, opset);
  return schema && (schema->HasFunction() || schema->HasContextDependentFunction());
}

Status expandSchemaFunction(mlir::Operation* op, int opset) {
  std::string where = nodeName(op->getLoc());
  auto fail = [&](const std::string& why) {
    return userError(op->getName().getStringRef().str() +
                     " has no lowering here, and ONNX's function body of it cannot be used: " + why);
  };
  const onnx::OpSchema& schema = *schemaOf(op, opset);
  onnx::NodeProto call = callOf(op);
  addDefaults(schema, call);
  onnx::ModelProto wrapper;
  try {
    if (!buildBody(schema, call, op, opset, *wrapper.add_functions()))
      return fail("it has none for these operands and attributes");
  } catch (const std::exception& exception) {
    return fail(exception.what());
  }
  onnx::FunctionProto& body = wrapper.mutable_functions()->at(0);
  body.set_domain(call.domain());
  body.set_name(call.op_type());
  body.clear_attribute();
  *wrapper.mutable_graph()->add_node() = call;
  ErrorList errors(where);
  nameNodes(wrapper);
  inlineLocalFunctions(wrapper, opset, errors);
  mlir::OpBuilder builder(op);
  NodeImporter nodes(builder, opset, errors);
  for (mlir::OpOperand& operand : op->getOpOperands())
    nodes.define(operandName(operand.getOperandNumber()), operand.get());
  for (const onnx::NodeProto& node : wrapper.graph().node()) nodes.importNode(node);
  SW_RETURN_IF_ERROR(errors.status());
  for (unsigned i = 0; i < op->getNumResults(); ++i) {
    mlir::Value replacement = nodes.lookup(resultName(i));
    if (!replacement && !op->getResult(i).use_empty()) return fail("it does not define result " + std::to_string(i));
    if (replacement) op->getResult(i).replaceAllUsesWith(replacement);
  }
  op->erase();
  return {};
}

}  // namespace shardwright
