#include "runtime/kernels/row_copy.h"

#include <algorithm>
#include <cstring>

namespace shardwright {
namespace {

alignas(16) constexpr char kZero[16] = {};

}  // namespace

RowCopy::RowCopy(const TensorRef& from, const TensorRef& to) : copy_(from, to) {
  TensorRef zero = from;
  std::fill_n(zero.strides, zero.rank, 0);
  clear_ = StridedCopy(zero, to);
  bytes_ = byteSize(from.dtype, from.count());
  contiguous_ = isDense(from) && isDense(to);
}

void RowCopy::write(const char* from, char* to, int t, int n) const {
  if (contiguous_ && n == 1) {
    if (from != nullptr) {
      std::memcpy(to, from, bytes_);
    } else {
      std::memset(to, 0, bytes_);
    }
  } else if (from != nullptr) {
    copy_.run(from, to, t, n);
  } else {
    clear_.run(kZero, to, t, n);
  }
}

TensorRef trailingDims(const TensorRef& tensor, int first) {
  TensorRef rest;
  rest.dtype = tensor.dtype;
  rest.rank = tensor.rank - first;
  std::copy_n(tensor.dims + first, rest.rank, rest.dims);
  std::copy_n(tensor.strides + first, rest.rank, rest.strides);
  return rest;
}

}  // namespace shardwright
