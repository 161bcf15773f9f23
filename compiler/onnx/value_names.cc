#include "compiler/onnx/value_names.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

namespace shardwright {

mlir::Location nodeLocation(mlir::MLIRContext* context, llvm::StringRef node, llvm::ArrayRef<llvm::StringRef> results) {
  llvm::SmallVector<mlir::Location> names;
  for (llvm::StringRef result : results) names.push_back(mlir::NameLoc::get(mlir::StringAttr::get(context, result)));
  mlir::Location all = names.size() == 1 ? names.front() : mlir::FusedLoc::get(context, names);
  return mlir::NameLoc::get(mlir::StringAttr::get(context, node), all);
}

std::string nodeName(mlir::Location location) {
  auto named = location->findInstanceOf<mlir::NameLoc>();
  return named ? named.getName().str() : "";
}

std::string valueName(mlir::Value value) {
  if (auto argument = mlir::dyn_cast<mlir::BlockArgument>(value)) {
    auto function = mlir::dyn_cast<mlir::FunctionOpInterface>(argument.getOwner()->getParentOp());
    if (!function) return "";
    auto name = function.getArgAttrOfType<mlir::StringAttr>(argument.getArgNumber(), "onnx.name");
    return name ? name.str() : "";
  }
  if (auto name = value.getDefiningOp()->getAttrOfType<mlir::StringAttr>("name");
      name && value.getDefiningOp()->getNumOperands() == 0)
    return name.str();
  auto node = value.getLoc()->findInstanceOf<mlir::NameLoc>();
  if (!node) return "";
  mlir::Location names = node.getChildLoc();
  unsigned number = mlir::cast<mlir::OpResult>(value).getResultNumber();
  if (auto fused = mlir::dyn_cast<mlir::FusedLoc>(names)) {
    if (number >= fused.getLocations().size()) return "";
    names = fused.getLocations()[number];
  } else if (number > 0) {
    return "";
  }
  auto name = mlir::dyn_cast<mlir::NameLoc>(names);
  return name ? name.getName().str() : "";
}

}  // namespace shardwright
