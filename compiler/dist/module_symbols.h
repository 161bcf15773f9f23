// Owns what a module says about its symbols and its mesh: the attributes dist.symbols, dist.batch,
// dist.equalities and dist.mesh, and the Facts drawn from them. It does not own the expressions in types; see tensor_type.h.
//
//   dist.symbols = {batch = {assumed = 1, divisor = 1, max = 9223372036854775807, min = 0}, …}
//   dist.batch = "batch"; with dist.batch_follows_parts its assumed size is one for each part that it is cut into
//   dist.equalities = [#dist.exprs<["total_sequence", "past_sequence + sequence"]>]     left is a bare symbol
#pragma once

#include <string>
#include <vector>

#include "compiler/dist/mesh.h"
#include "mlir/IR/BuiltinOps.h"
#include "runtime/base/facts.h"

namespace shardwright {

struct SymbolInfo {
  std::string name;
  SymbolRange range;
  int64_t assumed = 128;  // the size that costs are taken at
};

void setSymbols(mlir::ModuleOp module, const std::vector<SymbolInfo>& symbols);
std::vector<SymbolInfo> symbolsOf(mlir::ModuleOp module);  // in order of name

// The symbol that is the batch. Where `followsParts`, costs are taken at one sample for each part that the batch is cut into,
// and whoever cuts it says so.
void setBatch(mlir::ModuleOp module, const std::string& symbol, bool followsParts);
void cutAssumedBatch(mlir::ModuleOp module, int64_t parts);
std::string batchOf(mlir::ModuleOp module);  // "" if there is none

// States that symbol == e in every run that is accepted; the plan guards it.
void addEquality(mlir::ModuleOp module, const std::string& symbol, Expr e);
std::vector<std::pair<std::string, Expr>> equalitiesOf(mlir::ModuleOp module);

// One device where the module has no dist.mesh.
Mesh meshOf(mlir::ModuleOp module);

// Ranges of the symbols and of the mesh's coordinates ("@tp" is 0 … size-1), and the equalities.
Facts factsOf(mlir::ModuleOp module);
// The assumed sizes, and the last coordinate on every axis: of uneven parts the largest.
Bindings assumedSizes(mlir::ModuleOp module);

}  // namespace shardwright
