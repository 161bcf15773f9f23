#include "compiler/ops/patterns/patterns.h"

#include "compiler/ops/row_op.h"

namespace shardwright {

std::vector<const Pattern*> allPatterns() {
  std::vector<const Pattern*> all;
  for (auto list : {identityPatterns, reshapePatterns, linearPatterns, weightPatterns, gatherPatterns,
                    attentionPatterns, convolutionPatterns})
    for (const Pattern& pattern : list()) all.push_back(&pattern);
  return all;
}

mlir::Operation* producer(mlir::Value value, llvm::StringRef name) {
  mlir::Operation* op = value ? value.getDefiningOp() : nullptr;
  return op && op->getName().getStringRef() == irName("", name) ? op : nullptr;
}

}  // namespace shardwright
