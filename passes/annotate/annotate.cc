#include "compiler/dist/dist_dialect.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"
#include "passes/passes.h"

namespace shardwright {
namespace {

// Gives the module its mesh.
//
// Contract: the imported form becomes the annotated one.
struct Annotate : mlir::PassWrapper<Annotate, mlir::OperationPass<mlir::ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(Annotate)
  Annotate() = default;
  Annotate(const Annotate& other) : PassWrapper(other) {}
  llvm::StringRef getArgument() const final { return "annotate"; }
  llvm::StringRef getDescription() const final { return "give the module its mesh and the user's shardings"; }
  void getDependentDialects(mlir::DialectRegistry& registry) const final { registerDistDialect(registry); }

  Option<std::string> meshText{*this, "mesh", llvm::cl::desc("dp=2,tp=4"), llvm::cl::init("")};

  void runOnOperation() final {
    StatusOr<Mesh> mesh = meshText.empty() ? Mesh() : Mesh::parse(meshText.getValue());
    if (!mesh.ok()) {
      getOperation().emitError(mesh.status().within("--mesh").message());
      return signalPassFailure();
    }
    if (!meshText.empty()) getOperation()->setAttr("dist.mesh", meshAttr(&getContext(), *mesh));
  }
};

}  // namespace

std::unique_ptr<mlir::Pass> createAnnotatePass() { return std::make_unique<Annotate>(); }

std::unique_ptr<mlir::Pass> createAnnotatePass(const std::string& mesh) {
  auto pass = std::make_unique<Annotate>();
  pass->meshText = mesh;
  return pass;
}

}  // namespace shardwright
