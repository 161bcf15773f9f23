// Owns how a module says its pipeline: the whole mesh, which op is in which stage, the functions that the stages became, and
// the channels between them. It does not own how stages are cut (passes/stage).
//
// dist.mesh is the mesh of one stage: nothing that reasons about shardings ever sees the axis pp.
//
//   dist.pipeline = {mesh = #dist.mesh<"dp=2,pp=2,tp=2">, chunks = 1, microbatches = 4, schedule = "gpipe"}   on the module
//   dist.stage = 1            on an op: its chunk; ops without it are computed wherever they are needed
//                             on a function: which chunk it is
//   dist.pin_stage = 1, dist.pin_chunk = 3      on an op: what the user's spec, the model's annotations want
//   dist.port = 2             on a function's argument or result: the model's input or output it is
//   dist.receive, dist.send = channel, with dist.peer = chunk      on an argument, a result: a value between chunks
//
// With v chunks per rank, chunk k of the model's v·pp is run by stage k mod pp.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "compiler/dist/mesh.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

namespace shardwright {

constexpr llvm::StringLiteral kStageAttr = "dist.stage", kStagePinAttr = "dist.pin_stage",
                              kChunkPinAttr = "dist.pin_chunk", kPortAttr = "dist.port", kReceiveAttr = "dist.receive",
                              kSendAttr = "dist.send", kPeerAttr = "dist.peer";

struct Pipeline {
  Mesh mesh;           // of all ranks, with the axis pp if there is one
  int64_t stages = 1;  // the axis's size
  int64_t chunks = 1;  // per rank
  int64_t microbatches = 1;
  std::string schedule;

  int64_t numChunks() const { return stages * chunks; }
};

// One stage, on the module's mesh, where the module says nothing.
Pipeline pipelineOf(mlir::ModuleOp module);
void setPipeline(mlir::ModuleOp module, const Pipeline& pipeline);

// The functions of the line, by chunk; @main alone before stages are split, and where there is one.
std::vector<mlir::func::FuncOp> chunksOf(mlir::ModuleOp module);

// The integer attribute of an argument or result, or -1.
int64_t argumentNumber(mlir::func::FuncOp function, unsigned argument, llvm::StringRef name);
int64_t resultNumber(mlir::func::FuncOp function, unsigned result, llvm::StringRef name);

// The mesh without the axis pp.
Mesh stageMesh(const Mesh& mesh);

// Where the run is cut into microbatches, the batch's symbol is that of one microbatch, and these are what symbols become
// in the sizes of the caller's tensors: batch -> batch.total, and what equals the batch likewise. Empty otherwise.
std::map<std::string, Expr> totalsOf(mlir::ModuleOp module);
// In the plan the caller's symbols keep their names: batch.total -> batch, batch -> batch.part.
std::map<std::string, Expr> planNamesOf(mlir::ModuleOp module);

}  // namespace shardwright
