// Owns the list of patterns: structures of several ops, as exporters write them, and what is put in their place on the imported
// form. It does not own when they are applied (passes/import/apply_patterns.cc), nor what single ops mean (the rows).
//
// A pattern preserves the values of the op that it begins at, whatever its operands hold; it looks for structure and never for
// names. It is tried on every such op until none fits, so what it makes must not fit it again.
#pragma once

#include <optional>
#include <vector>

#include "compiler/ops/node_builder.h"

namespace shardwright {

struct Pattern {
  const char* name;
  const char* root;  // the op that it begins at (the last in order), of domain ""; null: every op with a row
  // What replaces the op's results, built with `build`; nothing if the structure is not there, and then nothing was built.
  std::optional<std::vector<mlir::Value>> (*rewrite)(NodeBuilder& build, const OpView& op);
};

// In the order in which they are tried. Each list is in <file>.cc of this folder.
std::vector<const Pattern*> allPatterns();
llvm::ArrayRef<Pattern> identityPatterns();  // ops that change nothing
llvm::ArrayRef<Pattern> reshapePatterns();   // chains of reshapes and transposes
llvm::ArrayRef<Pattern> linearPatterns();    // matrix products on merged dims
llvm::ArrayRef<Pattern> weightPatterns();    // parts of weights
llvm::ArrayRef<Pattern> attentionPatterns();
llvm::ArrayRef<Pattern> convolutionPatterns();
llvm::ArrayRef<Pattern> gatherPatterns();  // lookups whose indices are known

// The op that made the value if it is the ONNX op `name`, else null.
mlir::Operation* producer(mlir::Value value, llvm::StringRef name);

}  // namespace shardwright
