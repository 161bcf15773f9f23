#include <set>

#include "compiler/dist/dist_dialect.h"
#include "compiler/dist/module_symbols.h"
#include "compiler/dist/tensor_type.h"
#include "compiler/onnx/onnx_dialect.h"
#include "compiler/onnx/operand_types.h"
#include "compiler/onnx/schema_function.h"
#include "compiler/onnx/subgraph.h"
#include "compiler/onnx/value_names.h"
#include "compiler/ops/row.h"
#include "compiler/ops/shape_functions.h"
#include "compiler/ops/static_operands.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/import/size_equalities.h"
#include "passes/passes.h"

namespace shardwright {
namespace {

constexpr llvm::StringLiteral kOpset = "onnx.opset";

// The most elements that a folded integer tensor may have; shape computations have a handful.
constexpr size_t kMaxFoldedElements = 128;

bool isLeaf(mlir::Operation* op) { return mlir::isa<NoneOp, ConstantOp, WeightOp, ShapeValueOp>(op); }

// Gives every result of @main's body its type, in one walk in order. On the way each op
// - is brought to the newest opset (row.upgrade);
// - that has no row is replaced by its ONNX function body, and the walk goes on in the body;
// - that has subgraphs is replaced by the one that is known to run (row.takenSubgraph), and the walk goes on there;
// - has its operands that say sizes folded into "static" (row.h);
// - whose result is an integer tensor that follows from sizes is replaced by onnx.ShapeValue, or by onnx.Constant if bool.
// Sizes that two operands must share and that nobody has proven to be equal become equalities of the module: a symbol is
// replaced everywhere by what it equals, and dist.equalities says so for the plan to guard.
//   %m: tensor<?x?xf32, ["batch", "total"]>   %s: tensor<?x?xf32, ["batch", "past + new"]>   Add(%m, %s)
//   -> dist.equalities total = past + new, and %m: tensor<?x?xf32, ["batch", "past + new"]>
// Reports all nodes whose operands do not fit, and in one message all ops that have neither a row nor a body.
// Unused shape computations are left for CSE.
class InferShapes : public mlir::PassWrapper<InferShapes, mlir::OperationPass<mlir::ModuleOp>> {
 public:
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(InferShapes)
  llvm::StringRef getArgument() const final { return "infer-shapes"; }
  llvm::StringRef getDescription() const final { return "give every value its type and fold shape computations"; }
  void getDependentDialects(mlir::DialectRegistry& registry) const final {
    registerDistDialect(registry);
    registry.insert<OnnxDialect>();
  }

  void runOnOperation() final {
    module_ = getOperation();
    facts_ = factsOf(module_);
    unsupported_.clear();
    failed_ = false;
    auto opset = module_->getAttrOfType<mlir::IntegerAttr>(kOpset);
    opset_ = opset ? static_cast<int>(opset.getInt()) : kNewestOpset;
    for (auto function : module_.getOps<mlir::func::FuncOp>())
      if (!function.isExternal()) inferFunction(function);
    reportUnsupported();
    if (failed_) return signalPassFailure();
    if (opset) module_->setAttr(kOpset, mlir::IntegerAttr::get(opset.getType(), kNewestOpset));
  }

 private:
  static constexpr int kNewestOpset = 28;

  void inferFunction(mlir::func::FuncOp function) {
    mlir::Block& body = function.getBody().front();
    for (mlir::Operation* op = &body.front(); op;) {
      mlir::Operation* previous = op->getPrevNode();
      mlir::Operation* next = op->getNextNode();
      if (isLeaf(op) || op->hasTrait<mlir::OpTrait::IsTerminator>() || !inferOp(op)) {
        op = next;
      } else {
        // The op became other ops, which stand where it stood.
        op = previous ? previous->getNextNode() : &body.front();
      }
    }
    mlir::Operation* end = body.getTerminator();
    function.setFunctionType(mlir::FunctionType::get(&getContext(), body.getArgumentTypes(), end->getOperandTypes()));
  }

  // True if the op was replaced by ops that are still to be inferred.
  bool inferOp(mlir::Operation* op) {
    const Row* row = rowOf(op);
    if (!row || (hasSubgraphs(op) && !row->takenSubgraph)) return expand(op);
    if (!hasTypedOperands(op)) return false;  // what they come from was reported
    if (row->takenSubgraph) return takeSubgraph(op, *row);
    if (!check(op, checkOperandTypes(op, opsetOfOp(op)))) return false;
    mlir::OpBuilder builder(op);
    if (row->upgrade && !check(op, row->upgrade(op, opsetOfOp(op), builder))) return false;
    op->removeAttr(kOpset);
    std::vector<SizeEquality> assumed;
    OpView view(op, facts_, &assumed);
    llvm::SmallVector<TensorShape> shapes;
    if (!check(op, inferResults(view, *row, shapes))) return false;
    setResultTypes(op, shapes);
    // Only now: a folded operand no longer says its type.
    foldStaticOperands(builder, op, *row, facts_);
    if (!assumed.empty() && !check(op, stateEqualities(module_, assumed, facts_))) return false;
    if (!row->inferValue) return false;
    assumed.clear();
    const std::optional<Exprs> value = row->inferValue(view);
    fold(op, value);
    if (value && !assumed.empty()) check(op, stateEqualities(module_, assumed, facts_));
    return false;
  }

  bool expand(mlir::Operation* op) {
    int opset = opsetOfOp(op);
    if (hasSubgraphs(op) || !hasSchemaFunction(op, opset)) {
      unsupported_[op->getName().getStringRef().drop_front(sizeof "onnx." - 1).str()].push_back(op);
      return false;
    }
    if (!hasTypedOperands(op)) return false;
    return check(op, expandSchemaFunction(op, opset));
  }

  bool takeSubgraph(mlir::Operation* op, const Row& row) {
    OpView view(op, facts_);
    std::optional<llvm::StringRef> taken = row.takenSubgraph(view);
    if (!taken)
      return check(op, nodeError(view,
                                 "which of its graphs runs depends on data, or on sizes that differ between runs; "
                                 "supported are conditions that follow from the inputs' sizes: fix a symbol with "
                                 "--dim, or export the model without them"));
    return check(op, expandSubgraph(op, *taken, opsetOfOp(op)));
  }

  int opsetOfOp(mlir::Operation* op) {
    auto own = op->getAttrOfType<mlir::IntegerAttr>(kOpset);
    return own ? static_cast<int>(own.getInt()) : opset_;
  }

  static bool hasTypedOperands(mlir::Operation* op) {
    return llvm::all_of(op->getOperands(), [](mlir::Value operand) {
      return !mlir::isa<mlir::NoneType>(operand.getType()) || operand.getDefiningOp<NoneOp>();
    });
  }

  bool check(mlir::Operation* op, const Status& status) {
    if (status.ok()) return true;
    mlir::emitError(op->getLoc(), status.message());
    failed_ = true;
    return false;
  }

  void setResultTypes(mlir::Operation* op, llvm::ArrayRef<TensorShape> shapes) {
    assert(shapes.size() == op->getNumResults() && "a row's infer must give every result a type");
    for (auto [result, shape] : llvm::zip(op->getResults(), shapes)) {
      if (shape.dtype == DType::kUndefined) continue;
      Exprs dims;
      for (const Expr& dim : shape.dims) dims.push_back(facts_.simplify(dim));
      result.setType(tensorType(&getContext(), dims, shape.dtype));
    }
  }

  void fold(mlir::Operation* op, const std::optional<Exprs>& exprs) {
    auto type = mlir::dyn_cast<mlir::RankedTensorType>(op->getResult(0).getType());
    if (!exprs || !type || exprs->size() > kMaxFoldedElements) return;
    bool isConstant = llvm::all_of(*exprs, [](const Expr& e) { return e.isConstant(); });
    mlir::OpBuilder builder(op);
    mlir::Operation* folded = nullptr;
    if (type.getElementType().isSignlessInteger() && type.getElementTypeBitWidth() >= 32 && type.hasStaticShape()) {
      Exprs simple;
      for (const Expr& e : *exprs) simple.push_back(facts_.simplify(e));
      folded = builder.create<ShapeValueOp>(op->getLoc(), type, simple);
    } else if (isConstant && mlir::isa<mlir::IntegerType>(type.getElementType()) && type.hasStaticShape()) {
      llvm::SmallVector<llvm::APInt> values;
      for (const Expr& e : *exprs)
        values.emplace_back(type.getElementTypeBitWidth(), static_cast<uint64_t>(*e.constant()), /*isSigned=*/true);
      auto plain = mlir::RankedTensorType::get(type.getShape(), type.getElementType());
      folded = builder.create<ConstantOp>(op->getLoc(), mlir::DenseElementsAttr::get(plain, values));
    }
    if (folded) op->getResult(0).replaceAllUsesWith(folded->getResult(0));
  }

  void reportUnsupported() {
    if (unsupported_.empty()) return;
    failed_ = true;
    std::string names;
    for (const auto& [name, ops] : unsupported_) {
      names += (names.empty() ? "" : ", ") + name + " (" + std::to_string(ops.size()) +
               (ops.size() == 1 ? " node, " : " nodes, ");
      names += nodeName(ops.front()->getLoc()) + (ops.size() == 1 ? ")" : ", …)");
    }
    mlir::emitError(module_.getLoc(), "has ops that are not supported and have no function body: ")
        << names << "; export the model without them, or give the file a function of that name";
  }

  mlir::ModuleOp module_;
  Facts facts_;
  int opset_ = kNewestOpset;
  std::map<std::string, std::vector<mlir::Operation*>> unsupported_;
  bool failed_ = false;
};

}  // namespace

std::unique_ptr<mlir::Pass> createInferShapesPass() { return std::make_unique<InferShapes>(); }

}  // namespace shardwright
