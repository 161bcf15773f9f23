#include "compiler/onnx/operand_types.h"

#include <algorithm>
#include <map>

#include "compiler/dist/tensor_type.h"
#include "compiler/onnx/onnx_dialect.h"
#include "compiler/onnx/schema_function.h"
#include "onnx/defs/data_type_utils.h"
#include "onnx/defs/schema.h"

namespace shardwright {
namespace {

// ONNX's own, unique pointer for the type: "tensor(float)".
onnx::DataType typeOf(mlir::Value value) {
  onnx::TypeProto type;
  type.mutable_tensor_type()->set_elem_type(static_cast<int>(dtypeOf(value.getType())));
  return onnx::Utils::DataTypeUtils::ToType(type);
}

std::string listOf(const onnx::DataTypeSet& types) {
  std::vector<std::string> names;
  for (onnx::DataType type : types)
    if (type->rfind("tensor(", 0) == 0) names.push_back(*type);
  std::sort(names.begin(), names.end());
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

}  // namespace

Status checkOperandTypes(mlir::Operation* op, int opset) {
  const onnx::OpSchema* schema = schemaOf(op, opset);
  if (!schema || schema->inputs().empty()) return Status();
  std::map<std::string, unsigned> firstOf;  // by type variable
  for (mlir::OpOperand& operand : op->getOpOperands()) {
    unsigned i = operand.getOperandNumber();
    const auto& formal = schema->inputs()[std::min<size_t>(i, schema->inputs().size() - 1)];
    if (operand.get().getDefiningOp<NoneOp>()) continue;
    onnx::DataType type = typeOf(operand.get());
    std::string place = "operand " + std::to_string(i) + " is " + *type;
    if (!formal.GetTypes().count(type))
      return userError(place + "; " + schema->Name() + " takes " + listOf(formal.GetTypes()) +
                       " there; cast it, or export the model again");
    bool isOfItsOwn = formal.GetOption() == onnx::OpSchema::Variadic && !formal.GetIsHomogeneous();
    if (isOfItsOwn) continue;
    auto [first, isNew] = firstOf.try_emplace(formal.GetTypeStr(), i);
    onnx::DataType other = typeOf(op->getOperand(first->second));
    if (!isNew && other != type)
      return userError(place + ", and operand " + std::to_string(first->second) + " " + *other + "; " + schema->Name() +
                       " takes them of one type; cast one of them");
  }
  return Status();
}

}  // namespace shardwright
