// Owns how long the lowered form's ops are expected to take. It does not own the formulas (compiler/target).
#pragma once

#include "compiler/emit/output_placement.h"
#include "compiler/emit/step_collectives.h"
#include "compiler/target/cost_model.h"
#include "mlir/IR/BuiltinOps.h"

namespace shardwright {

// A machine that is built in.
Machine machineNamed(const std::string& name);

// `bytes`: of the operand or of the result, whichever is more.
CollectiveTime collectiveTime(const Machine& machine, const StepCollective& collective, double bytes);

// Of an op that is no collective and no window. `placed`: what is computed where it is wanted costs no copy.
double computeSeconds(mlir::Operation* op, const Machine& machine, const Bindings& sizes,
                      const OutputPlacements& placed = OutputPlacements());

}  // namespace shardwright
