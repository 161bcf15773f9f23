// Owns the translation of a lowered module into the plan's programs, ports and entries. It does not own how one function becomes
// steps (program_emitter.h) nor the files of the plan folder (emit_plan.h).
#pragma once

#include <map>
#include <vector>

#include "compiler/emit/nest_builder.h"
#include "compiler/emit/plan_tables.h"
#include "mlir/IR/BuiltinOps.h"

namespace shardwright {

// A constant of the plan whose bytes lie in a file of the model.
struct WeightSource {
  uint32_t constant = 0;  // index into Plan.constants
  std::string location;   // file
  int64_t offset = 0, length = 0;
  // What lies there has fileDims, of which the weight is the window of globalDims from `begin` on.
  std::vector<int64_t> fileDims, begin;
  Exprs globalDims;
  DType dtype = DType::kUndefined;
  Sharding sharding;
};

// Of a step of the lowered form: its floating point operations on one rank, at the assumed sizes.
constexpr llvm::StringLiteral kFlopsAttr = "flops";

struct EmittedPrograms {
  std::vector<LoopNest> nests;  // distinct, named
  std::vector<WeightSource> weights;
  std::vector<std::vector<double>> flops;  // by program and step
};

// Fills constants, programs, entries, inputs and outputs. The module is in the lowered form; kInternal otherwise.
StatusOr<EmittedPrograms> emitPrograms(mlir::ModuleOp module, PlanTables& tables);

}  // namespace shardwright
