#include "compiler/dist/dist_dialect.h"
#include "compiler/dist/module_symbols.h"
#include "compiler/emit/step_dialect.h"
#include "compiler/onnx/onnx_dialect.h"
#include "compiler/ops/row.h"
#include "llvm/ADT/SetVector.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"
#include "passes/lower/post_op_forms.h"
#include "passes/passes.h"

namespace shardwright {
namespace {

constexpr size_t kMaxPostOps = 8;  // as runtime/kernels/post_ops.h says

// A value of a nest that is a post-op's result on an earlier one, and the ops in between.
struct Epilogue {
  mlir::Value value;
  llvm::SetVector<mlir::Operation*> ops;
  PostOpForm form;
  mlir::Value operand;  // an argument of the nest
};

// The scalar body of the ops between `from` and `to`, and what it reads beside `from`.
class BodyBetween {
 public:
  BodyBetween(mlir::Value from, const Facts& facts) : from_(from), facts_(facts) {}

  // False if an op in between is not elementwise, or there is more than one operand.
  bool build(mlir::Value to) { return (result_ = nodeOf(to)) >= 0; }
  const std::vector<ScalarNode>& nodes() const { return nodes_; }
  int result() const { return result_; }
  mlir::Value operand() const { return operand_; }

 private:
  int nodeOf(mlir::Value value) {
    auto known = known_.find(value);
    if (known != known_.end()) return known->second;
    return known_[value] = makeNode(value);
  }

  int makeNode(mlir::Value value) {
    BodyBuilder builder(nodes_);
    DType dtype = dtypeOf(value.getType());
    if (value == from_) return builder.node(ScalarOp::kLoad, dtype, {}, 0);
    mlir::Operation* op = value.getDefiningOp();
    if (!op) {
      if (operand_ && operand_ != value) return -1;
      operand_ = value;
      return builder.node(ScalarOp::kLoad, dtype, {}, 1);
    }
    if (auto constant = op->getAttrOfType<mlir::DenseElementsAttr>("value")) {
      auto number = mlir::dyn_cast<mlir::FloatAttr>(*constant.getValues<mlir::Attribute>().begin());
      return number ? builder.constant(number.getValueAsDouble(), dtype) : -1;
    }
    const Row* row = rowOf(op);
    const auto* scalar = row ? std::get_if<ScalarBody>(&row->lowering) : nullptr;
    if (!scalar || op->getNumResults() != 1) return -1;
    std::vector<int> inputs;
    for (mlir::Value operand : op->getOperands()) {
      bool isAbsent = mlir::isa<mlir::NoneType>(operand.getType());
      inputs.push_back(isAbsent ? -1 : nodeOf(operand));
      if (!isAbsent && inputs.back() < 0) return -1;
    }
    return scalar->build(builder, OpView(op, facts_), inputs)[0];
  }

  mlir::Value from_;
  const Facts& facts_;
  std::vector<ScalarNode> nodes_;
  llvm::DenseMap<mlir::Value, int> known_;
  mlir::Value operand_;
  int result_ = -1;
};

// Whether a post-op's operand may have these dims beside a result of those: as ONNX broadcasts.
bool broadcastsTo(llvm::ArrayRef<Expr> operand, llvm::ArrayRef<Expr> result, const Facts& facts) {
  if (operand.size() > result.size()) return false;
  size_t shift = result.size() - operand.size();
  for (size_t d = 0; d < operand.size(); ++d)
    if (operand[d] != Expr(1) && operand[d] != result[d + shift] && !facts.provablyEqual(operand[d], result[d + shift]))
      return false;
  return true;
}

// Gives the beginning of a nest to the kernel whose result it reads, where no one else reads that result: the kernel then
// applies it, as post-ops, to what it has in cache.
//
//   %r = step.kernel "matmul"(%x, %w) {} then []           step.kernel "matmul"(%x, %w, %bias) {}
//   step.fused(%r, %bias, %gain) {                   ->        then [["add", 2], ["gelu_erf", 0]]
//     Gelu(%r + %bias) * %gain + …                         step.fused(%r', %gain) { %r' * %gain + … }
//
// Contract: only kernels with an attribute post_ops, empty or not, get post-ops. A nest of which nothing is left is erased.
// What the post-ops compute is found from the scalar bodies of the nest's ops (post_op_forms.h).
struct FuseEpilogues : mlir::PassWrapper<FuseEpilogues, mlir::OperationPass<mlir::func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(FuseEpilogues)
  llvm::StringRef getArgument() const final { return "fuse-epilogues"; }
  llvm::StringRef getDescription() const final {
    return "give kernels the elementwise ops that follow them as post-ops";
  }
  void getDependentDialects(mlir::DialectRegistry& registry) const final {
    registerDistDialect(registry);
    registry.insert<OnnxDialect>();
    registerStepDialect(registry);
  }

  void runOnOperation() final {
    facts_ = factsOf(getOperation()->getParentOfType<mlir::ModuleOp>());
    for (auto fused : llvm::make_early_inc_range(getOperation().getOps<step::FusedOp>())) fuseInto(fused);
  }

 private:
  void fuseInto(step::FusedOp fused) {
    bool changed = false;
    for (unsigned i = 0; i < fused.getInputs().size(); ++i) {
      step::KernelOp kernel = kernelOf(fused.getInputs()[i]);
      if (!kernel || !kernel.getPostOps()) continue;
      mlir::BlockArgument argument = fused.getBody().getArgument(i);
      while (std::optional<Epilogue> epilogue = furthestEpilogue(argument, kernel)) {
        append(kernel, fused, *epilogue);
        apply(argument, *epilogue);
        changed = true;
      }
      if (!changed) continue;
      kernel->moveBefore(fused);
      if (auto view = fused.getInputs()[i].getDefiningOp<step::ViewOp>()) view->moveBefore(fused);
    }
    if (changed) shrink(fused);
  }

  // The kernel whose one result is this value, perhaps through the order of dims in which it writes it; null if any other op
  // reads the result.
  static step::KernelOp kernelOf(mlir::Value value) {
    if (!value.hasOneUse()) return nullptr;
    auto kernel = value.getDefiningOp<step::KernelOp>();
    auto view = value.getDefiningOp<step::ViewOp>();
    if (view) kernel = view.getBase().getDefiningOp<step::KernelOp>();
    if (!kernel || kernel->getNumResults() != 1 || !kernel->hasOneUse()) return nullptr;
    auto written = kernel->getAttrOfType<mlir::ArrayAttr>("result_views");
    auto fields = written ? mlir::dyn_cast<mlir::ArrayAttr>(written[0]) : mlir::ArrayAttr();
    if (!view) return fields ? nullptr : kernel;
    bool isSame = fields && fields[0] == view.getOffset() && fields[2] == view.getStrides() &&
                  exprsOf(fields[1]) == llvm::ArrayRef<Expr>(dimsOf(value.getType()));
    return isSame ? kernel : nullptr;
  }

  // The longest run of ops after `from` that is one post-op; all that depends on `from` depends on its result only.
  std::optional<Epilogue> furthestEpilogue(mlir::BlockArgument from, step::KernelOp kernel) const {
    if (kernel.getPostOps()->size() >= kMaxPostOps) return std::nullopt;
    llvm::SetVector<mlir::Operation*> dependent;
    std::optional<Epilogue> found;
    for (mlir::Operation& op : from.getOwner()->without_terminator()) {
      bool depends = llvm::any_of(op.getOperands(), [&](mlir::Value operand) {
        return operand == from || dependent.contains(operand.getDefiningOp());
      });
      if (!depends) continue;
      dependent.insert(&op);
      if (op.getNumResults() != 1 || op.getResult(0).getType() != from.getType()) continue;
      if (std::optional<Epilogue> epilogue = epilogueTo(from, op.getResult(0), dependent)) found = std::move(epilogue);
    }
    return found;
  }

  std::optional<Epilogue> epilogueTo(mlir::BlockArgument from, mlir::Value to,
                                     const llvm::SetVector<mlir::Operation*>& dependent) const {
    Epilogue epilogue;
    epilogue.value = to;
    llvm::SmallVector<mlir::Operation*> stack{to.getDefiningOp()};
    while (!stack.empty()) {
      mlir::Operation* op = stack.pop_back_val();
      if (!epilogue.ops.insert(op)) continue;
      for (mlir::Value operand : op->getOperands())
        if (dependent.contains(operand.getDefiningOp())) stack.push_back(operand.getDefiningOp());
    }
    auto readOutside = [&](mlir::Value value) {
      return llvm::any_of(value.getUsers(), [&](mlir::Operation* user) { return !epilogue.ops.contains(user); });
    };
    if (readOutside(from)) return std::nullopt;
    for (mlir::Operation* op : epilogue.ops)
      if (op->getResult(0) != to && readOutside(op->getResult(0))) return std::nullopt;
    BodyBetween body(from, facts_);
    if (!body.build(to)) return std::nullopt;
    std::optional<PostOpForm> form = postOpForm(body.nodes(), body.result());
    if (!form) return std::nullopt;
    epilogue.form = std::move(*form);
    epilogue.operand = body.operand();
    if (epilogue.form.hasOperand != static_cast<bool>(epilogue.operand)) return std::nullopt;
    if (epilogue.operand && !isOperand(epilogue.operand, from)) return std::nullopt;
    return epilogue;
  }

  bool isOperand(mlir::Value operand, mlir::Value result) const {
    return accumulationType(dtypeOf(operand.getType())) == DType::kFloat32 &&
           broadcastsTo(dimsOf(operand.getType()), dimsOf(result.getType()), facts_);
  }

  static void append(step::KernelOp kernel, step::FusedOp fused, const Epilogue& epilogue) {
    mlir::Builder builder(kernel.getContext());
    llvm::SmallVector<mlir::Location> locations{kernel.getLoc()};
    for (mlir::Operation* op : llvm::reverse(epilogue.ops)) locations.push_back(op->getLoc());
    kernel->setLoc(builder.getFusedLoc(locations));
    if (epilogue.form.kind.empty()) return;
    int64_t index = 0;
    if (epilogue.operand) {
      index = static_cast<int64_t>(kernel.getInputs().size());
      unsigned number = mlir::cast<mlir::BlockArgument>(epilogue.operand).getArgNumber();
      kernel.getInputsMutable().append(fused.getInputs()[number]);
    }
    llvm::SmallVector<mlir::Attribute> fields{builder.getStringAttr(epilogue.form.kind),
                                              builder.getI64IntegerAttr(index)};
    for (double param : epilogue.form.params) fields.push_back(builder.getF64FloatAttr(param));
    llvm::SmallVector<mlir::Attribute> all(kernel.getPostOps()->getValue());
    all.push_back(builder.getArrayAttr(fields));
    kernel.setPostOpsAttr(builder.getArrayAttr(all));
  }

  // From here on the argument is the epilogue's value.
  static void apply(mlir::BlockArgument argument, Epilogue& epilogue) {
    epilogue.value.replaceAllUsesWith(argument);
    llvm::SmallVector<mlir::Operation*> ops(epilogue.ops.begin(), epilogue.ops.end());
    while (!ops.empty()) {
      for (mlir::Operation*& op : ops) {
        if (!op->use_empty()) continue;
        op->erase();
        op = nullptr;
      }
      llvm::erase(ops, nullptr);
    }
  }

  // `value` may be a window where `result` was dense: what needs that reads a copy, made before `fused`.
  static void replaceResult(mlir::Value result, mlir::Value value, step::FusedOp fused) {
    auto needsDense = [](mlir::OpOperand& use) {
      if (mlir::isa<step::ViewOp>(use.getOwner())) return true;
      auto dense = use.getOwner()->getAttrOfType<mlir::IntegerAttr>("dense_operands");
      return dense && (dense.getValue().getZExtValue() >> use.getOperandNumber() & 1) != 0;
    };
    if (value.getDefiningOp<step::ViewOp>() && llvm::any_of(result.getUses(), needsDense)) {
      mlir::OpBuilder builder(fused);
      mlir::Value copy = builder.create<step::CopyOp>(value.getLoc(), value.getType(), value);
      result.replaceUsesWithIf(copy, needsDense);
    }
    result.replaceAllUsesWith(value);
  }

  // Drops inputs that nothing reads and results that are inputs.
  static void shrink(step::FusedOp fused) {
    mlir::Block& body = fused.getBody().front();
    auto yield = mlir::cast<step::YieldOp>(body.getTerminator());
    llvm::SmallVector<mlir::Value> yielded, results;
    for (auto [value, result] : llvm::zip(yield.getValues(), fused.getOutputs())) {
      if (auto argument = mlir::dyn_cast<mlir::BlockArgument>(value)) {
        replaceResult(result, fused.getInputs()[argument.getArgNumber()], fused);
      } else {
        yielded.push_back(value);
        results.push_back(result);
      }
    }
    mlir::OpBuilder builder(yield);
    builder.create<step::YieldOp>(yield.getLoc(), yielded);
    yield.erase();
    if (yielded.empty()) return fused.erase();
    llvm::SmallVector<mlir::Operation*> ops;
    for (mlir::Operation& op : body.without_terminator()) ops.push_back(&op);
    for (mlir::Operation* op : llvm::reverse(ops))
      if (op->use_empty()) op->erase();
    llvm::SmallVector<mlir::Value> inputs;
    for (unsigned i = 0, at = 0; i < fused.getInputs().size(); ++i) {
      if (body.getArgument(at).use_empty()) {
        body.eraseArgument(at);
        continue;
      }
      inputs.push_back(fused.getInputs()[i]);
      ++at;
    }
    builder.setInsertionPoint(fused);
    llvm::SmallVector<mlir::Location> locations;
    for (mlir::Operation& op : body.without_terminator()) locations.push_back(op.getLoc());
    auto rest =
        builder.create<step::FusedOp>(builder.getFusedLoc(locations), mlir::ValueRange(results).getTypes(), inputs);
    rest->setDiscardableAttrs(fused->getDiscardableAttrDictionary());
    rest.getBody().takeBody(fused.getBody());
    for (auto [result, value] : llvm::zip(results, rest.getOutputs())) result.replaceAllUsesWith(value);
    fused.erase();
  }

  Facts facts_;
};

}  // namespace

std::unique_ptr<mlir::Pass> createFuseEpiloguesPass() { return std::make_unique<FuseEpilogues>(); }

}  // namespace shardwright
