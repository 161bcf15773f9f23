// Owns the shape of one matrix multiplication: the merged batch dims, m, n, k, and every operand's strides along them.
// It knows neither threads nor how products are computed.
#pragma once

#include "runtime/kernels/post_ops.h"
#include "runtime/kernels/strided.h"

namespace shardwright {

struct MatrixStrides {
  std::vector<int64_t> batch;
  int64_t row = 0, column = 0;  // of a: m, k; of b: k, n; of the result and post-op operands: m, n
};

// Batch dims over which b does not move are merged into m where all operands allow it:
//   a[8, 128, 768] b[768, 3072] dense -> no batch dims, m = 1024
struct MatmulProblem {
  std::vector<int64_t> batchDims;
  int64_t m = 0, n = 0, k = 0;
  MatrixStrides a, b, c;
  std::vector<MatrixStrides> postOps;  // of each op; strides 0 for unary kinds

  int64_t batchCount() const;
  int64_t batchOffset(int64_t batch, const MatrixStrides& operand) const {
    return flatOffset(batch, static_cast<int>(batchDims.size()), batchDims.data(), operand.batch.data());
  }
};

// For a packed b, packedStride is the elements from one of its matrices to the next; 0 if b is used as it is.
StatusOr<MatmulProblem> makeMatmulProblem(const KernelSpec& spec, const std::vector<TensorRef>& inputs,
                                          const TensorRef& result, const std::vector<PostOps::Op>& ops,
                                          int64_t packedStride);

// The number of different matrices of a constant b, whose packed forms lie one after the other in row-major order.
int64_t matrixCount(const TensorRef& b);

}  // namespace shardwright
