// Owns copying or clearing the rows that an index selects: windows of one shape at different addresses.
#pragma once

#include "runtime/kernels/copy/strided_copy.h"

namespace shardwright {

class RowCopy {
 public:
  RowCopy() = default;
  // Dims and strides of a row in the tensor that it is read from and in the one that it is written to.
  RowCopy(const TensorRef& from, const TensorRef& to);

  int64_t bytes() const { return bytes_; }
  // Writes part t of n; a null `from` stands for zeros.
  void write(const char* from, char* to, int t, int n) const;

 private:
  StridedCopy copy_, clear_;
  int64_t bytes_ = 0;
  bool contiguous_ = false;
};

// The dims from number `first` on; no data.
TensorRef trailingDims(const TensorRef& tensor, int first);

}  // namespace shardwright
