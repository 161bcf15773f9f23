#include "compiler/dist/stage_form.h"

#include <algorithm>

#include "compiler/dist/dist_attrs.h"
#include "compiler/dist/module_symbols.h"
#include "mlir/IR/Builders.h"

namespace shardwright {
namespace {

constexpr llvm::StringLiteral kPipeline = "dist.pipeline";

int64_t numberOf(mlir::Attribute attr, int64_t otherwise) {
  auto integer = mlir::dyn_cast_or_null<mlir::IntegerAttr>(attr);
  return integer ? integer.getInt() : otherwise;
}

}  // namespace

Pipeline pipelineOf(mlir::ModuleOp module) {
  Pipeline pipeline;
  pipeline.mesh = meshOf(module);
  auto fields = module->getAttrOfType<mlir::DictionaryAttr>(kPipeline);
  if (!fields) return pipeline;
  if (auto mesh = fields.getAs<MeshAttr>("mesh")) pipeline.mesh = mesh.mesh();
  if (int axis = pipeline.mesh.axisIndex("pp"); axis >= 0) pipeline.stages = pipeline.mesh.axes()[axis].size;
  pipeline.chunks = numberOf(fields.get("chunks"), 1);
  pipeline.microbatches = numberOf(fields.get("microbatches"), 1);
  if (auto schedule = fields.getAs<mlir::StringAttr>("schedule")) pipeline.schedule = schedule.str();
  return pipeline;
}

void setPipeline(mlir::ModuleOp module, const Pipeline& pipeline) {
  mlir::Builder builder(module.getContext());
  mlir::NamedAttrList fields;
  fields.set("mesh", MeshAttr::get(module.getContext(), pipeline.mesh));
  fields.set("chunks", builder.getI64IntegerAttr(pipeline.chunks));
  fields.set("microbatches", builder.getI64IntegerAttr(pipeline.microbatches));
  fields.set("schedule", builder.getStringAttr(pipeline.schedule));
  module->setAttr(kPipeline, fields.getDictionary(module.getContext()));
}

std::vector<mlir::func::FuncOp> chunksOf(mlir::ModuleOp module) {
  std::vector<mlir::func::FuncOp> chunks(module.getOps<mlir::func::FuncOp>().begin(),
                                         module.getOps<mlir::func::FuncOp>().end());
  std::stable_sort(chunks.begin(), chunks.end(), [](mlir::func::FuncOp a, mlir::func::FuncOp b) {
    return numberOf(a->getAttr(kStageAttr), 0) < numberOf(b->getAttr(kStageAttr), 0);
  });
  return chunks;
}

int64_t argumentNumber(mlir::func::FuncOp function, unsigned argument, llvm::StringRef name) {
  return numberOf(function.getArgAttr(argument, name), -1);
}

int64_t resultNumber(mlir::func::FuncOp function, unsigned result, llvm::StringRef name) {
  return numberOf(function.getResultAttr(result, name), -1);
}

namespace {

// The batch's symbol becomes `batch`, and symbols that are known to be made of it follow.
std::map<std::string, Expr> withBatch(mlir::ModuleOp module, const std::string& symbol, Expr batch) {
  std::map<std::string, Expr> renamed = {{symbol, batch}};
  for (const auto& [other, e] : equalitiesOf(module))
    if (e.symbols().count(symbol) > 0) renamed.emplace(other, e.substitute({{symbol, batch}}));
  return renamed;
}

std::string cutBatchOf(mlir::ModuleOp module) { return pipelineOf(module).microbatches > 1 ? batchOf(module) : ""; }

}  // namespace

std::map<std::string, Expr> totalsOf(mlir::ModuleOp module) {
  std::string batch = cutBatchOf(module);
  if (batch.empty()) return {};
  return withBatch(module, batch, Expr::symbol(batch + ".total"));
}

std::map<std::string, Expr> planNamesOf(mlir::ModuleOp module) {
  std::string batch = cutBatchOf(module);
  if (batch.empty()) return {};
  std::map<std::string, Expr> names = withBatch(module, batch, Expr::symbol(batch + ".part"));
  names[batch + ".total"] = Expr::symbol(batch);
  return names;
}

Mesh stageMesh(const Mesh& mesh) {
  std::vector<MeshAxis> axes;
  for (const MeshAxis& axis : mesh.axes())
    if (axis.name != "pp") axes.push_back(axis);
  return Mesh(std::move(axes));
}

}  // namespace shardwright
