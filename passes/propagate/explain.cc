#include "compiler/dist/dist_dialect.h"
#include "compiler/dist/module_symbols.h"
#include "compiler/dist/propagated_form.h"
#include "compiler/dist/stage_form.h"
#include "compiler/onnx/value_names.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"
#include "passes/passes.h"

namespace shardwright {
namespace {

// Prints on stdout how a tensor is held, why, and how its readers want it. Changes nothing.
//
//   hidden [batch, sequence, 768] float32
//     held as [_, _, _] partial=sum{tp}: onnx.MatMul "MatMul_12", strategy k:{tp}; from tp: search
//     resharded to [_, _, _]
//     read by onnx.Add "Add_13" as [_, _, _]
struct Explain : mlir::PassWrapper<Explain, mlir::OperationPass<mlir::ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(Explain)
  Explain() = default;
  Explain(const Explain& other) : PassWrapper(other) {}
  llvm::StringRef getArgument() const final { return "explain"; }
  llvm::StringRef getDescription() const final { return "say how a tensor is held, and why"; }

  Option<std::string> tensor{*this, "tensor", llvm::cl::desc("the tensor's ONNX name"), llvm::cl::init("")};

  void runOnOperation() final {
    mesh_ = meshOf(getOperation());
    bool found = false;
    auto explainIfNamed = [&](mlir::Value value) {
      if (isNone(value) || valueName(value) != tensor.getValue() || value.getDefiningOp<dist::ReshardOp>()) return;
      found = true;
      explain(value);
    };
    for (mlir::func::FuncOp function : chunksOf(getOperation())) {
      function_ = function;
      for (mlir::Value argument : function.getArguments()) explainIfNamed(argument);
      for (mlir::Operation& op : function.getBody().front())
        for (mlir::Value result : op.getResults()) explainIfNamed(result);
    }
    if (found) return;
    getOperation().emitError("--explain: the model has no tensor \"" + tensor.getValue() +
                             "\" after import; tensors that are folded or merged with equal ones are gone");
    signalPassFailure();
  }

 private:
  static std::string opText(mlir::OpOperand& use) {
    if (mlir::isa<mlir::func::ReturnOp>(use.getOwner())) {
      auto function = mlir::cast<mlir::func::FuncOp>(use.getOwner()->getParentOp());
      int64_t receiver = resultNumber(function, use.getOperandNumber(), kPeerAttr);
      return receiver < 0 ? "the caller" : "stage " + std::to_string(receiver);
    }
    return opText(use.getOwner());
  }
  static std::string opText(mlir::Operation* op) {
    std::string name = nodeName(op->getLoc());
    return op->getName().getStringRef().str() + (name.empty() ? "" : " \"" + name + "\"");
  }

  std::string originText(mlir::Value value) {
    auto text = [](mlir::Attribute attr) {
      auto string = mlir::dyn_cast_or_null<mlir::StringAttr>(attr);
      return string && !string.empty() ? "; from " + string.str() : std::string();
    };
    if (auto argument = mlir::dyn_cast<mlir::BlockArgument>(value)) {
      unsigned number = argument.getArgNumber();
      int64_t sender = argumentNumber(function_, number, kPeerAttr);
      return (sender < 0 ? "an input" : "received from stage " + std::to_string(sender)) +
             text(function_.getArgAttr(number, kOriginAttr));
    }
    mlir::Operation* op = value.getDefiningOp();
    auto strategy = op->getAttrOfType<mlir::StringAttr>(kStrategyAttr);
    return opText(op) + (strategy && !strategy.empty() ? ", strategy " + strategy.str() : "") +
           text(op->getAttr(kOriginAttr));
  }

  void explain(mlir::Value value) {
    llvm::raw_ostream& out = llvm::outs();
    if (auto stage = function_->getAttrOfType<mlir::IntegerAttr>(kStageAttr)) out << "stage " << stage.getInt() << ": ";
    out << tensor.getValue() << " [";
    for (auto [i, dim] : llvm::enumerate(dimsOf(value.getType()))) out << (i ? ", " : "") << dim.str();
    out << "] " << llvm::StringRef(dtypeName(dtypeOf(value.getType()))) << "\n";
    if (std::optional<Sharding> held = heldSharding(value))
      out << "  held as " << str(*held, mesh_) << ": " << originText(value) << "\n";
    explainReaders(value);
  }

  void explainReaders(mlir::Value value) {
    llvm::SmallVector<mlir::OpOperand*> uses;
    for (mlir::OpOperand& use : value.getUses()) uses.push_back(&use);
    for (mlir::OpOperand* use : llvm::reverse(uses)) {
      if (auto reshard = mlir::dyn_cast<dist::ReshardOp>(use->getOwner())) {
        llvm::outs() << "  resharded to " << str(shardingOf(reshard.getToAttr()), mesh_) << "\n";
        explainReaders(reshard);
      } else if (std::optional<Sharding> wanted = wantedSharding(*use)) {
        llvm::outs() << "  read by " << opText(*use) << " as " << str(*wanted, mesh_) << "\n";
      }
    }
  }

  Mesh mesh_;
  mlir::func::FuncOp function_;
};

}  // namespace

std::unique_ptr<mlir::Pass> createExplainPass() { return std::make_unique<Explain>(); }

std::unique_ptr<mlir::Pass> createExplainPass(const std::string& tensor) {
  auto pass = std::make_unique<Explain>();
  pass->tensor = tensor;
  return pass;
}

}  // namespace shardwright
