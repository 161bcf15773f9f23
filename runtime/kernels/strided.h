// Owns the arithmetic of strided windows that kernels share: dropping and merging dims, walking the outer ones. It moves
// no data.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "runtime/kernels/kernel.h"

namespace shardwright {

// Dims that several operands are walked over together; strides[k][i] is operand k's stride along dim i.
struct StridedDims {
  std::vector<int64_t> dims;
  std::vector<std::vector<int64_t>> strides;

  int rank() const { return static_cast<int>(dims.size()); }
  int64_t count() const;
};

// The first `rank` dims of the tensors, which must all have the dims of the first; an absent tensor has strides 0.
StridedDims stridedDims(const std::vector<const TensorRef*>& tensors, int rank);

// Removes dims of size 1 and merges neighbours that every operand walks evenly (stride[i] == dims[i+1] * stride[i+1]).
//   dims [2, 3, 4], strides [12, 4, 1] and [0, 4, 1] -> dims [2, 12], strides [12, 1] and [0, 1]
void mergeDims(StridedDims& walk);

// Sorts the dims by operand k's stride, largest first; order of equal strides is kept.
void sortDims(StridedDims& walk, int k);

// The offset of the element with row-major number `flat` among dims[0 .. rank), in elements of an operand.
inline int64_t flatOffset(int64_t flat, int rank, const int64_t* dims, const int64_t* strides) {
  int64_t offset = 0;
  for (int i = rank - 1; i >= 0; --i) {
    offset += flat % dims[i] * strides[i];
    flat /= dims[i];
  }
  return offset;
}

// The offsets of consecutive elements, row major, in kOperands operands: what flatOffset gives, without its divisions.
template <int kOperands>
class OffsetWalk {
 public:
  OffsetWalk(int rank, const int64_t* dims, std::array<const int64_t*, kOperands> strides, int64_t first)
      : rank_(rank), dims_(dims), strides_(strides) {
    for (int k = 0; k < kOperands; ++k) offsets_[k] = flatOffset(first, rank, dims, strides[k]);
    for (int i = rank - 1; i >= 0; --i) {
      index_[i] = first % dims[i];
      first /= dims[i];
    }
  }
  int64_t offset(int operand) const { return offsets_[operand]; }
  void next() {
    for (int i = rank_ - 1; i >= 0; --i) {
      bool carry = ++index_[i] == dims_[i];
      for (int k = 0; k < kOperands; ++k) offsets_[k] += carry ? (1 - dims_[i]) * strides_[k][i] : strides_[k][i];
      if (!carry) return;
      index_[i] = 0;
    }
  }

 private:
  int rank_;
  const int64_t* dims_;
  std::array<const int64_t*, kOperands> strides_;
  std::array<int64_t, kOperands> offsets_ = {};
  int64_t index_[kMaxRank] = {};
};

// Strides of a dense row-major tensor of those dims.
std::vector<int64_t> denseStrides(const int64_t* dims, int rank);

// Whether the elements fill memory in row-major order (strides of dims of size 1 do not matter).
bool isDense(const TensorRef& tensor);

bool sameDims(const TensorRef& a, const TensorRef& b);

}  // namespace shardwright
