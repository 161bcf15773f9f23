// Owns the reading of the dist dialect's collectives as steps of a plan.
#pragma once

#include <optional>
#include <string>

#include "compiler/dist/mesh.h"
#include "mlir/IR/Operation.h"
#include "runtime/plan/plan.pb.h"

namespace shardwright {

// The fields of plan.CollectiveStep, symbolic.
struct StepCollective {
  plan::CollectiveStep::Kind kind = plan::CollectiveStep::ALL_REDUCE;
  AxisList group;
  std::string combiner;
  uint32_t dim = 0, splitDim = 0;
  Expr part, splitPart, peer;
};

// Nothing if the op is no collective.
std::optional<StepCollective> collectiveOf(mlir::Operation* op);

}  // namespace shardwright
