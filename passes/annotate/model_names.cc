#include "passes/annotate/model_names.h"

#include "compiler/dist/propagated_form.h"
#include "compiler/onnx/onnx_dialect.h"
#include "compiler/onnx/value_names.h"

namespace shardwright {

ModelNames namesOf(mlir::func::FuncOp function) {
  ModelNames names;
  for (mlir::BlockArgument argument : function.getArguments()) names.values[valueName(argument)] = {argument};
  for (mlir::Operation& op : function.getBody().front()) {
    names.nodes[nodeName(op.getLoc())].push_back(&op);
    for (mlir::OpResult result : op.getResults()) {
      std::string name = isNone(result) ? "" : valueName(result);
      if (name.empty()) continue;
      std::vector<mlir::Value>& named = names.values[name];
      if (!mlir::isa<WeightOp>(op)) named.clear();
      named.push_back(result);
    }
  }
  // Outputs go by their own names too.
  mlir::Operation* terminator = function.getBody().front().getTerminator();
  for (mlir::OpOperand& operand : terminator->getOpOperands())
    if (auto name = function.getResultAttrOfType<mlir::StringAttr>(operand.getOperandNumber(), "onnx.name"))
      names.values.try_emplace(name.str(), std::vector<mlir::Value>{operand.get()});
  names.values.erase("");
  names.nodes.erase("");
  return names;
}

}  // namespace shardwright
