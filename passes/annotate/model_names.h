// Owns how values and nodes of the module are found by their names in the model. It does not own what is said of them.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace shardwright {

struct ModelNames {
  // Where several values have one name (an op that was written as several), the last one is the tensor of the model; pieces of a
  // weight are all of them.
  std::map<std::string, std::vector<mlir::Value>> values;
  std::map<std::string, std::vector<mlir::Operation*>> nodes;
};

ModelNames namesOf(mlir::func::FuncOp function);

}  // namespace shardwright
