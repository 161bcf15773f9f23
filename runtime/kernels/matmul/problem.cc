#include "runtime/kernels/matmul/problem.h"

#include "runtime/kernels/attr_reader.h"

namespace shardwright {
namespace {

// The operand's strides along the result's batch dims; nothing if it does not broadcast.
std::optional<std::vector<int64_t>> batchStrides(const TensorRef& operand, const TensorRef& result) {
  TensorRef batch = operand, resultBatch = result;
  batch.rank -= 2;
  resultBatch.rank -= 2;
  return broadcastStrides(batch, resultBatch);
}

// b's batch strides once its different matrices are packed densely.
TensorRef packedBatch(const TensorRef& b, int64_t packedStride) {
  TensorRef packed = b;
  int64_t stride = packedStride;
  for (int i = b.rank - 3; i >= 0; --i) {
    bool moves = b.strides[i] != 0 && b.dims[i] > 1;
    packed.strides[i] = moves ? stride : 0;
    if (moves) stride *= b.dims[i];
  }
  return packed;
}

MatrixStrides outerStrides(const StridedDims& walk, size_t operand, bool lastIsRow) {
  MatrixStrides strides;
  strides.batch = walk.strides[operand];
  if (lastIsRow) {
    strides.row = strides.batch.back();
    strides.batch.pop_back();
  }
  return strides;
}

}  // namespace

int64_t MatmulProblem::batchCount() const {
  int64_t count = 1;
  for (int64_t d : batchDims) count *= d;
  return count;
}

int64_t matrixCount(const TensorRef& b) {
  int64_t count = 1;
  for (int i = 0; i < b.rank - 2; ++i) count *= b.strides[i] != 0 ? b.dims[i] : 1;
  return count;
}

StatusOr<MatmulProblem> makeMatmulProblem(const KernelSpec& spec, const std::vector<TensorRef>& inputs,
                                          const TensorRef& result, const std::vector<PostOps::Op>& ops,
                                          int64_t packedStride) {
  const TensorRef &a = inputs[0], &b = inputs[1];
  auto refuse = [&] {
    return stepError(spec,
                     "multiplies " + describe(a) + " by " + describe(b) + " to " + describe(result) +
                         "; they must be [..., m, k], [..., k, n] and [..., m, n], with batch dims that broadcast");
  };
  if (a.rank < 2 || b.rank < 2 || result.rank < 2) return refuse();
  const int64_t *aDims = a.dims + a.rank - 2, *bDims = b.dims + b.rank - 2, *cDims = result.dims + result.rank - 2;
  auto aBatch = batchStrides(a, result);
  auto bBatch = batchStrides(packedStride > 0 ? packedBatch(b, packedStride) : b, result);
  if (!aBatch || !bBatch || aDims[0] != cDims[0] || aDims[1] != bDims[0] || bDims[1] != cDims[1]) return refuse();

  // Operands along (batch dims, m): a, b (which does not move along m), the result, post-op operands.
  StridedDims walk;
  walk.dims.assign(result.dims, result.dims + result.rank - 1);
  aBatch->push_back(a.strides[a.rank - 2]);
  bBatch->push_back(0);
  walk.strides = {*aBatch, *bBatch, {result.strides, result.strides + result.rank - 1}};
  std::vector<int64_t> columns;
  for (const PostOps::Op& op : ops) {
    std::vector<int64_t> strides(result.rank, 0);
    if (op.operand >= 0) {
      auto found = broadcastStrides(inputs[op.operand], result);
      if (!found) {
        return stepError(spec, "a post-op's operand is " + describe(inputs[op.operand]) +
                                   "; it must broadcast to the result " + describe(result));
      }
      strides = *found;
    }
    columns.push_back(strides.back());
    strides.pop_back();
    walk.strides.push_back(strides);
  }
  mergeDims(walk);
  bool lastIsRow = walk.rank() > 0 && walk.strides[1].back() == 0;

  MatmulProblem problem;
  problem.m = lastIsRow ? walk.dims.back() : 1;
  problem.batchDims = walk.dims;
  if (lastIsRow) problem.batchDims.pop_back();
  problem.n = cDims[1];
  problem.k = aDims[1];
  problem.a = outerStrides(walk, 0, lastIsRow);
  problem.a.column = a.strides[a.rank - 1];
  problem.b = outerStrides(walk, 1, lastIsRow);
  problem.b.row = b.strides[b.rank - 2];
  problem.b.column = b.strides[b.rank - 1];
  problem.c = outerStrides(walk, 2, lastIsRow);
  problem.c.column = result.strides[result.rank - 1];
  for (size_t i = 0; i < ops.size(); ++i) {
    problem.postOps.push_back(outerStrides(walk, 3 + i, lastIsRow));
    problem.postOps.back().column = columns[i];
  }
  return problem;
}

}  // namespace shardwright
