#include "compiler/emit/output_placement.h"

#include "compiler/emit/step_dialect.h"
#include "compiler/onnx/onnx_dialect.h"

namespace shardwright {
namespace {

Expr countOf(const Exprs& dims) { return product(std::vector<Expr>(dims.begin(), dims.end())); }

bool isWrittenAsItIs(step::KernelOp kernel, mlir::Value result) {
  auto views = kernel->getAttrOfType<mlir::ArrayAttr>("result_views");
  unsigned number = mlir::cast<mlir::OpResult>(result).getResultNumber();
  return !views || number >= views.size() || mlir::isa<mlir::UnitAttr>(views[number]);
}

bool isOfKernelsOnly(mlir::Value value) {
  auto kernel = value.getDefiningOp<step::KernelOp>();
  if (kernel ? !isWrittenAsItIs(kernel, value) : !value.getDefiningOp<step::ConcatOp>()) return false;
  return llvm::all_of(value.getUsers(), [](mlir::Operation* user) {
    return mlir::isa<step::KernelOp, step::CopyOp, step::ConcatOp, dist::WriteOp>(user) &&
           !user->hasAttr("dense_operands");
  });
}

}  // namespace

StatusOr<SymbolicView> outputPart(dist::WriteOp write, const Mesh& mesh) {
  std::optional<SymbolicView> part = shardWindow(write.getSharding().sharding(), viewOf(write.getGlobal()), mesh);
  if (!part) return internalError("an output is split in a way that is no window");
  return std::move(*part);
}

bool canBePlaced(mlir::Value value, const ConstantValues& constants) {
  mlir::Value base = baseOf(value);
  mlir::Operation* maker = base.getDefiningOp();
  if (!maker || mlir::isa<ConstantOp, WeightOp, step::ConcatOp>(maker) || constants.contains(base)) return false;
  SymbolicView view = viewOf(value);
  return view.offset == Expr(0) && isDense(view) && countOf(view.dims) == countOf(dimsOf(base.getType()));
}

namespace {

void placeParts(step::ConcatOp concat, const ConstantValues& constants, OutputPlacements& placements) {
  Exprs dims = dimsOf(concat.getResult().getType());
  // Parts that do not lie densely would be one kernel's writes among another's.
  for (int64_t d = 0; d < static_cast<int64_t>(concat.getAxis()); ++d)
    if (dims[d] != Expr(1)) return;
  Expr offset = 0;
  for (mlir::Value input : concat.getInputs()) {
    mlir::Value base = baseOf(input);
    if (!placements.contains(base) && canBePlaced(input, constants))
      placements[base] = {concat.getResult(), offset, {}};
    offset += countOf(dimsOf(input.getType()));
  }
}

}  // namespace

StatusOr<OutputPlacements> placeValues(mlir::Block& block, const ConstantValues& constants, const Facts& facts,
                                       const Mesh& mesh) {
  OutputPlacements placements;
  for (auto write : block.getOps<dist::WriteOp>()) {
    SW_ASSIGN_OR_RETURN(SymbolicView part, outputPart(write, mesh));
    mlir::Value local = write.getLocal();
    mlir::Operation* maker = local.getDefiningOp();
    if (write.getGuard() || !maker || mlir::isa<step::ViewOp, ConstantOp, WeightOp>(maker) ||
        constants.contains(local) || placements.contains(local))
      continue;
    Exprs dims = dimsOf(local.getType());
    bool fits = true;
    for (size_t d = 0; d < dims.size(); ++d)
      fits &= dims[d] == part.dims[d] || facts.provablyEqual(dims[d], part.dims[d]);
    if (!fits) continue;
    if (isDense(part))
      placements[local] = {write.getGlobal(), part.offset, {}};
    else if (isOfKernelsOnly(local))
      placements[local] = {write.getGlobal(), part.offset, part.strides};
  }
  for (auto concat : block.getOps<step::ConcatOp>())
    if (!placements.contains(concat.getResult())) placeParts(concat, constants, placements);
  return placements;
}

}  // namespace shardwright
