#include "compiler/emit/value_view.h"

#include "compiler/emit/step_dialect.h"

namespace shardwright {

SymbolicView denseView(llvm::ArrayRef<Expr> dims) {
  SymbolicView view;
  view.dims.assign(dims.begin(), dims.end());
  view.strides.resize(dims.size());
  Expr stride = 1;
  for (size_t i = dims.size(); i-- > 0;) {
    view.strides[i] = stride;
    stride *= dims[i];
  }
  return view;
}

bool isDense(const SymbolicView& view) {
  Expr stride = 1;
  for (size_t i = view.dims.size(); i-- > 0;) {
    if (view.dims[i] == Expr(1)) continue;
    if (view.strides[i] != stride) return false;
    stride *= view.dims[i];
  }
  return true;
}

SymbolicView viewOf(mlir::Value value) {
  Exprs dims = dimsOf(value.getType());
  auto op = value.getDefiningOp<step::ViewOp>();
  if (!op) return denseView(dims);
  SymbolicView view;
  view.offset = exprsOf(op.getOffset())[0];
  view.dims = dims;
  llvm::ArrayRef<Expr> strides = exprsOf(op.getStrides());
  view.strides.assign(strides.begin(), strides.end());
  return view;
}

mlir::Value baseOf(mlir::Value value) {
  auto op = value.getDefiningOp<step::ViewOp>();
  return op ? op.getBase() : value;
}

mlir::Value createView(mlir::OpBuilder& builder, mlir::Location loc, mlir::Value value, const SymbolicView& view) {
  mlir::Value base = baseOf(value);
  mlir::Type element = mlir::cast<mlir::RankedTensorType>(value.getType()).getElementType();
  mlir::Type type = tensorType(view.dims, element);
  if (type == value.getType()) {
    SymbolicView own = viewOf(value);
    if (own.offset == view.offset && own.strides == view.strides) return value;
  }
  if (type == base.getType() && view.offset == Expr(0) && denseView(view.dims).strides == view.strides) return base;
  mlir::MLIRContext* context = builder.getContext();
  return builder.create<step::ViewOp>(loc, type, base, exprsAttr(context, {view.offset}),
                                      exprsAttr(context, view.strides));
}

std::optional<SymbolicView> shardWindow(const Sharding& sharding, SymbolicView view, const Mesh& mesh) {
  for (size_t d = 0; d < view.dims.size(); ++d) {
    const auto& factors = sharding.dims[d].factors;
    if (factors.empty()) continue;
    if (factors.size() > 1) return std::nullopt;
    Part part = partOf(factors[0], mesh);
    view.offset += part.begin * view.strides[d];
    view.dims[d] = part.length;
  }
  return view;
}

}  // namespace shardwright
