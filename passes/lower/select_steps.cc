#include "compiler/analysis/op_work.h"
#include "compiler/dist/dist_dialect.h"
#include "compiler/dist/module_symbols.h"
#include "compiler/emit/emit_programs.h"
#include "compiler/emit/step_dialect.h"
#include "compiler/emit/value_view.h"
#include "compiler/onnx/onnx_dialect.h"
#include "compiler/ops/reshape_factors.h"
#include "compiler/ops/row.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"
#include "passes/passes.h"

namespace shardwright {
namespace {

mlir::Attribute attributeOf(mlir::Builder& builder, const SymbolicAttr& attr) {
  return std::visit(
      [&](const auto& value) -> mlir::Attribute {
        using T = std::decay_t<decltype(value)>;
        if constexpr (std::is_same_v<T, int64_t>)
          return builder.getI64IntegerAttr(value);
        else if constexpr (std::is_same_v<T, double>)
          return builder.getF64FloatAttr(value);
        else if constexpr (std::is_same_v<T, std::string>)
          return builder.getStringAttr(value);
        else if constexpr (std::is_same_v<T, std::vector<int64_t>>)
          return builder.getDenseI64ArrayAttr(value);
        else if constexpr (std::is_same_v<T, std::vector<double>>)
          return builder.getDenseF64ArrayAttr(value);
        else if constexpr (std::is_same_v<T, Expr>)
          return exprsAttr(builder.getContext(), {value});
        else
          return builder.getArrayAttr({exprsAttr(builder.getContext(), value)});
      },
      attr);
}

// Turns views into step.view, kernel calls into step.kernel, and contents known as expressions into a filled buffer.
//
// Contract: afterwards the function holds step ops, collectives, reads and writes of the caller's tensors, and constants. A
// view whose operand's strides do not allow it gets a step.copy first.
//   onnx.Transpose(%x[B,S,H,D]) {perm = 0,2,1,3}  ->  step.view %x {strides = [S*H*D, D, H*D, 1]}
struct SelectSteps : mlir::PassWrapper<SelectSteps, mlir::OperationPass<mlir::func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(SelectSteps)
  llvm::StringRef getArgument() const final { return "select-steps"; }
  llvm::StringRef getDescription() const final { return "choose views and kernels for the ops that are not fused"; }
  void getDependentDialects(mlir::DialectRegistry& registry) const final {
    registerDistDialect(registry);
    registry.insert<OnnxDialect>();
    registerStepDialect(registry);
  }

  void runOnOperation() final {
    facts_ = factsOf(getOperation()->getParentOfType<mlir::ModuleOp>());
    sizes_ = assumedSizes(getOperation()->getParentOfType<mlir::ModuleOp>());
    bool failed = false;
    for (mlir::Operation& op : llvm::make_early_inc_range(getOperation().getBody().front()))
      failed |= mlir::failed(select(&op));
    if (failed) signalPassFailure();
  }

  mlir::LogicalResult select(mlir::Operation* op) {
    if (op->getNumResults() > 0 && op->use_empty() && mlir::isMemoryEffectFree(op)) return op->erase(), mlir::success();
    if (auto fused = mlir::dyn_cast<step::FusedOp>(op)) return countFlops(fused);
    if (mlir::isa<ShapeValueOp>(op)) return fillShapeValue(op);
    if (auto read = mlir::dyn_cast<dist::ReadOp>(op)) return selectRead(read);
    if (auto slice = mlir::dyn_cast<dist::SliceOp>(op)) return selectSlice(slice);
    if (auto view = mlir::dyn_cast<dist::ViewOp>(op)) return selectReshape(view);
    const Row* row = rowOf(op);
    if (!row) return mlir::success();
    if (const auto* body = std::get_if<ViewBody>(&row->lowering)) return selectView(op, *body);
    if (const auto* body = std::get_if<KernelBody>(&row->lowering)) return selectKernel(op, *body);
    return op->emitError("internal error: ") << op->getName() << " has no view and no kernel";
  }

  static void setFlops(mlir::Operation* step, double flops) {
    step->setAttr(kFlopsAttr, mlir::FloatAttr::get(mlir::Float64Type::get(step->getContext()), flops));
  }

  mlir::LogicalResult countFlops(step::FusedOp fused) {
    double flops = 0;
    for (mlir::Operation& op : fused.getBody().front()) flops += flopsOf(&op, facts_, sizes_);
    setFlops(fused, flops);
    return mlir::success();
  }

  // An integer tensor whose elements are expressions.
  mlir::LogicalResult fillShapeValue(mlir::Operation* op) {
    mlir::OpBuilder builder(op);
    auto attrs =
        builder.getDictionaryAttr(builder.getNamedAttr("values", builder.getArrayAttr({op->getAttr("exprs")})));
    auto filled = builder.create<step::KernelOp>(op->getLoc(), op->getResultTypes(), mlir::ValueRange(),
                                                 builder.getStringAttr("fill_values"), attrs, nullptr);
    op->replaceAllUsesWith(filled);
    op->erase();
    return mlir::success();
  }

  static mlir::LogicalResult replaceByView(mlir::Operation* op, mlir::Value operand, const SymbolicView& view) {
    mlir::OpBuilder builder(op);
    op->getResult(0).replaceAllUsesWith(createView(builder, op->getLoc(), operand, view));
    op->erase();
    return mlir::success();
  }

  mlir::LogicalResult selectRead(dist::ReadOp read) {
    Sharding sharding = read.getSharding().sharding();
    auto window = shardWindow(sharding, viewOf(read.getGlobal()), meshOf(read->getParentOfType<mlir::ModuleOp>()));
    if (!window) return read.emitError("internal error: an input is split in a way that is no window");
    return replaceByView(read, read.getGlobal(), *window);
  }

  mlir::LogicalResult selectSlice(dist::SliceOp slice) {
    SymbolicView view = viewOf(slice.getInput());
    view.offset += slice.getBegin().exprs()[0] * view.strides[slice.getDim()];
    view.dims = dimsOf(slice.getResult().getType());
    return replaceByView(slice, slice.getInput(), view);
  }

  mlir::LogicalResult selectReshape(dist::ViewOp op) {
    Exprs dims = dimsOf(op.getResult().getType());
    mlir::Value input = op.getInput();
    std::optional<SymbolicView> view = reshapeView(viewOf(input), dims, facts_);
    if (!view) {
      mlir::OpBuilder builder(op);
      input = builder.create<step::CopyOp>(op.getLoc(), input.getType(), input);
      view = reshapeView(viewOf(input), dims, facts_);
    }
    if (!view) return op.emitError("internal error: dist.view is no view even of a dense operand");
    return replaceByView(op, input, *view);
  }

  mlir::LogicalResult selectView(mlir::Operation* op, const ViewBody& body) {
    mlir::OpBuilder builder(op);
    mlir::Value operand = op->getOperand(0);
    for (int i = 0; i < static_cast<int>(op->getNumResults()); ++i) {
      mlir::Value result = op->getResult(i);
      if (result.use_empty()) continue;
      Exprs dims = dimsOf(result.getType());
      std::optional<SymbolicView> view = body.view(OpView(op, facts_), i, viewOf(operand), dims);
      if (!view) {
        operand = builder.create<step::CopyOp>(op->getLoc(), operand.getType(), operand);
        view = body.view(OpView(op, facts_), i, viewOf(operand), dims);
      }
      if (!view) return op->emitError("internal error: ") << op->getName() << " is no view even of a dense operand";
      view->dims = dims;
      result.replaceAllUsesWith(createView(builder, op->getLoc(), operand, *view));
    }
    op->erase();
    return mlir::success();
  }

  mlir::LogicalResult selectKernel(mlir::Operation* op, const KernelBody& body) {
    mlir::OpBuilder builder(op);
    KernelCall call = body.call(OpView(op, facts_));
    llvm::SmallVector<mlir::Value> inputs;
    for (size_t i = 0; i < call.operands.size(); ++i) {
      int operand = call.operands[i];
      if (operand < 0 || operand >= static_cast<int>(op->getNumOperands())) {
        inputs.push_back(absent(builder, op->getLoc()));
        continue;
      }
      mlir::Value value = op->getOperand(operand);
      if (i < call.operandViews.size() && call.operandViews[i])
        value = createView(builder, op->getLoc(), value, call.operandViews[i](viewOf(value)));
      if (call.denseOperands >> i & 1 && !isDense(viewOf(value)))
        value = builder.create<step::CopyOp>(op->getLoc(), value.getType(), value);
      inputs.push_back(value);
    }
    llvm::SmallVector<mlir::NamedAttribute> attrs;
    for (const auto& [name, value] : call.attrs)
      attrs.push_back(builder.getNamedAttr(name, attributeOf(builder, value)));
    if (call.kernel == "concat") {
      auto axis = mlir::cast<mlir::IntegerAttr>(builder.getDictionaryAttr(attrs).get("axis"));
      op->replaceAllUsesWith(builder.create<step::ConcatOp>(op->getLoc(), op->getResultTypes()[0], inputs, axis));
      op->erase();
      return mlir::success();
    }
    bool ordered = !call.resultOrder.empty() && !isReadByCollective(op->getResult(0));
    SymbolicView whole = ordered ? orderedView(dimsOf(op->getResult(0).getType()), call.resultOrder) : SymbolicView();
    llvm::SmallVector<mlir::Type> types(op->getResultTypes());
    if (ordered) types = {permuted(types[0], call.resultOrder)};
    auto step = builder.create<step::KernelOp>(op->getLoc(), types, inputs, builder.getStringAttr(call.kernel),
                                               builder.getDictionaryAttr(attrs),
                                               call.takesPostOps ? builder.getArrayAttr({}) : mlir::ArrayAttr());
    setFlops(step, flopsOf(op, facts_, sizes_));
    if (call.denseOperands) step->setAttr("dense_operands", builder.getI64IntegerAttr(call.denseOperands));
    if (ordered) {
      step->setAttr("result_views", builder.getArrayAttr({viewAttr(builder, whole)}));
      op->getResult(0).replaceAllUsesWith(createView(builder, op->getLoc(), step->getResult(0), whole));
    } else {
      setResultViews(builder, step, call);
      op->replaceAllUsesWith(step);
    }
    op->erase();
    return mlir::success();
  }

  // A collective of windows that are not dense costs more than the kernel gains.
  static bool isReadByCollective(mlir::Value value) {
    return llvm::any_of(value.getUsers(), [](mlir::Operation* user) {
      return !mlir::isa<dist::WriteOp>(user) &&
             user->getName().getDialectNamespace() == dist::DistDialect::getDialectNamespace();
    });
  }

  static mlir::Type permuted(mlir::Type type, llvm::ArrayRef<int> order) {
    Exprs dims = dimsOf(type), to;
    for (int d : order) to.push_back(dims[d]);
    return tensorType(to, mlir::cast<mlir::RankedTensorType>(type).getElementType());
  }

  // A tensor of these dims on a dense buffer of the dims in that order.
  static SymbolicView orderedView(const Exprs& dims, llvm::ArrayRef<int> order) {
    SymbolicView view{0, dims, Exprs(dims.size(), Expr(0))};
    Expr stride = 1;
    for (int d : llvm::reverse(order)) {
      view.strides[d] = stride;
      stride *= dims[d];
    }
    return view;
  }

  static mlir::Attribute viewAttr(mlir::Builder& builder, const SymbolicView& view) {
    mlir::MLIRContext* context = builder.getContext();
    return builder.getArrayAttr(
        {exprsAttr(context, {view.offset}), exprsAttr(context, view.dims), exprsAttr(context, view.strides)});
  }

  bool isDense(const SymbolicView& view) const {
    const Exprs dense = denseStrides(view.dims);
    for (size_t i = 0; i < dense.size(); ++i)
      if (view.dims[i] != Expr(1) && !facts_.provablyEqual(view.strides[i], dense[i])) return false;
    return true;
  }

  // How the kernel sees its results, where that is not as they are: per result [offset, dims, strides] or unit.
  static void setResultViews(mlir::OpBuilder& builder, mlir::Operation* step, const KernelCall& call) {
    llvm::SmallVector<mlir::Attribute> views;
    for (auto [i, transform] : llvm::enumerate(call.resultViews)) {
      if (!transform || i >= step->getNumResults()) {
        views.push_back(builder.getUnitAttr());
        continue;
      }
      views.push_back(viewAttr(builder, transform(viewOf(step->getResult(i)))));
    }
    if (!views.empty()) step->setAttr("result_views", builder.getArrayAttr(views));
  }

  static mlir::Value absent(mlir::OpBuilder& builder, mlir::Location loc) {
    return builder.create<NoneOp>(loc)->getResult(0);
  }

  Facts facts_;
  Bindings sizes_;  // the assumed ones
};

}  // namespace

std::unique_ptr<mlir::Pass> createSelectStepsPass() { return std::make_unique<SelectSteps>(); }

}  // namespace shardwright
