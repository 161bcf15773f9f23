// Owns how a planned reshard becomes ops of the dist dialect on local types. It does not own the plan; see
// reshard_planner.h.
#pragma once

#include "compiler/analysis/reshard_planner.h"
#include "mlir/IR/Builders.h"

namespace shardwright {

// Emits what turns `local`, this rank's part of a tensor of `globalDims` under `from`, into its part under `to`; returns
// that. Both shardings are canonical. Values between steps have the types that localDims() gives; a step on a factor that is
// not its dim's first stands between two dist.view.
mlir::Value emitReshard(mlir::OpBuilder& builder, mlir::Location loc, mlir::Value local, const Sharding& from,
                        const Sharding& to, llvm::ArrayRef<Expr> globalDims, ReshardPlanner& planner);

}  // namespace shardwright
