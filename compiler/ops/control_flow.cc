// Rows of ops with subgraphs.
#include "compiler/ops/families.h"

namespace shardwright {
namespace {

std::optional<llvm::StringRef> takenBranch(const OpView& op) {
  const std::optional<std::vector<int64_t>> condition = op.constantInts(0);
  if (!condition || condition->size() != 1) return std::nullopt;
  return llvm::StringRef(condition->front() ? "then_branch" : "else_branch");
}

Row conditional() {
  Row row;
  row.name = "If";
  row.takenSubgraph = takenBranch;
  return row;
}

}  // namespace

llvm::ArrayRef<Row> controlFlowRows() {
  static const Row kRows[] = {conditional()};
  return kRows;
}

}  // namespace shardwright
