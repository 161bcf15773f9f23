// Owns the translation of one lowered function into programs: one for a run ("main") and, where values follow from constants,
// one for the load ("init"). It does not own ports and entries, which functions share; see emit_programs.h.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "compiler/emit/emit_programs.h"
#include "llvm/ADT/DenseMap.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace shardwright {

// Which input or output of the plan an argument of a function is.
struct PortIndex {
  bool isOutput = false;
  uint32_t index = 0;
};
using PortIndices = llvm::DenseMap<mlir::Value, PortIndex>;

// One program while it grows.
struct ProgramState {
  plan::Program program;
  std::vector<double> flops;  // by step, at the assumed sizes
  llvm::DenseMap<mlir::Value, uint32_t> buffers;
  std::map<std::string, int> names;
};

// What the programs of all chunks share.
struct SharedPrograms {
  explicit SharedPrograms(PlanTables& itsTables) : tables(itsTables) {}

  PlanTables& tables;
  std::map<std::string, int> constantNames;
  std::map<std::string, std::string> nestNames;
  EmittedPrograms emitted;
};

// The function is in the lowered form; kInternal otherwise. `init` stays without steps where nothing follows from constants.
Status emitFunction(mlir::func::FuncOp function, const PortIndices& ports, SharedPrograms& shared, ProgramState& main,
                    ProgramState& init);

}  // namespace shardwright
