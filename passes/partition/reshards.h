// Owns the turning of dist.reshard into the planner's steps on local types, for one module. The plan of each is the planner's
// (compiler/analysis/reshard_planner.h).
#pragma once

#include "compiler/analysis/reshard_planner.h"
#include "compiler/dist/dist_dialect.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"

namespace shardwright {

class ReshardEmitter {
 public:
  ReshardEmitter(mlir::ModuleOp module, const Mesh& mesh, const Facts& facts);
  // The value that `local` is under reshard.from, under reshard.to; null after an error.
  mlir::Value emit(mlir::OpBuilder& builder, dist::ReshardOp reshard, mlir::Value local);

 private:
  ReshardPlanner planner_;
};

}  // namespace shardwright
