#include "passes/partition/reshards.h"

#include "compiler/analysis/emit_reshard.h"
#include "compiler/dist/module_symbols.h"

namespace shardwright {
namespace {

Machine machineOf(mlir::ModuleOp module) {
  auto name = module->getAttrOfType<mlir::StringAttr>("dist.machine");
  auto machine = builtInMachine(name ? name.str() : "default_gpu");
  return machine.ok() ? std::move(*machine) : Machine();
}

}  // namespace

ReshardEmitter::ReshardEmitter(mlir::ModuleOp module, const Mesh& mesh, const Facts& facts)
    : planner_(mesh, facts, assumedSizes(module), machineOf(module)) {}

mlir::Value ReshardEmitter::emit(mlir::OpBuilder& builder, dist::ReshardOp reshard, mlir::Value local) {
  return emitReshard(builder, reshard.getLoc(), local, reshard.getFrom().sharding(), reshard.getTo().sharding(),
                     dimsOf(reshard.getInput().getType()), planner_);
}

}  // namespace shardwright
