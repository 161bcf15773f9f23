// Owns the making of a plan folder from a module in the lowered form: plan.pb, code.so, weights/. It replaces an older plan
// in one step and leaves nothing half-written.
#pragma once

#include <string>

#include "compiler/codegen/loop_nest.h"
#include "compiler/emit/weight_writer.h"
#include "mlir/IR/BuiltinOps.h"

namespace shardwright {

struct EmitOptions {
  std::string modelFolder;   // what weights' locations are relative to
  std::string outputFolder;  // the plan
  CpuTarget target;          // resolved
  bool writeWeights = true;
  Progress progress;
};

// The plan without files; nests and weight sources beside it.
struct EmittedPlan {
  plan::Plan plan;
  EmittedPrograms programs;
};
StatusOr<EmittedPlan> buildPlan(mlir::ModuleOp module, const CpuTarget& target);

// Writes the folder and returns its plan. kUserError if the output folder exists and is no plan.
StatusOr<plan::Plan> writePlan(EmittedPlan emitted, mlir::ModuleOp module, const EmitOptions& options);

}  // namespace shardwright
