#include "passes/optimize/step_seconds.h"

#include <cassert>

#include "compiler/analysis/op_work.h"
#include "compiler/emit/emit_programs.h"
#include "compiler/emit/step_dialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace shardwright {

Machine machineNamed(const std::string& name) {
  auto machine = builtInMachine(name);
  assert(machine.ok() && "passes are made with names of built-in machines");
  return std::move(*machine);
}

CollectiveTime collectiveTime(const Machine& machine, const StepCollective& collective, double bytes) {
  int64_t members = 1;
  for (const SubAxis& axis : collective.group) members *= axis.size;
  return collectiveTime(machine, static_cast<CollectiveCost>(collective.kind), static_cast<int>(members), bytes);
}

double computeSeconds(mlir::Operation* op, const Machine& machine, const Bindings& sizes,
                      const OutputPlacements& placed) {
  if (mlir::isa<step::ViewOp, step::WaitOp, mlir::func::ReturnOp>(op)) return 0;
  if (auto write = mlir::dyn_cast<dist::WriteOp>(op); write && placed.contains(write.getLocal())) return 0;
  double bytes = 0, copied = 0;
  for (mlir::Value operand : op->getOperands()) {
    if (mlir::isa<mlir::NoneType>(operand.getType())) continue;
    bytes += bytesAt(operand, sizes);
    auto at = placed.find(baseOf(operand));
    if (at == placed.end() || at->second.global.getDefiningOp() != op) copied += bytesAt(operand, sizes);
  }
  for (mlir::Value result : op->getResults())
    if (!mlir::isa<mlir::NoneType>(result.getType())) bytes += bytesAt(result, sizes);
  if (mlir::isa<step::ConcatOp>(op)) return copied > 0 ? kernelSeconds(machine, DType::kFloat32, 0, 2 * copied) : 0;
  auto flops = op->getAttrOfType<mlir::FloatAttr>(kFlopsAttr);
  DType dtype = op->getNumResults() > 0 ? dtypeOf(op->getResult(0).getType()) : DType::kFloat32;
  return kernelSeconds(machine, dtype, flops ? flops.getValueAsDouble() : 0, bytes);
}

}  // namespace shardwright
