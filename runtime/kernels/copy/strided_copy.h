// Owns copying between strided windows, for the kernel "copy" and for kernels that first lay out an operand. It does not
// own threads: the caller cuts the work.
#pragma once

#include "runtime/kernels/strided.h"

namespace shardwright {

// How to copy one window to another, for elements of 1, 2, 4, 8 or 16 bytes, or of less than a byte.
class StridedCopy {
 public:
  StridedCopy() = default;
  // Dims and strides of the windows; their data is not looked at.
  StridedCopy(const TensorRef& from, const TensorRef& to);

  // Copies the part of thread t of n. Allocates nothing; any thread, at the same time as others.
  void run(const void* from, void* to, int t, int n) const;

 private:
  enum class Kind { kNothing, kBytes, kRows, kTranspose, kElements, kNibbles };

  Kind kind_ = Kind::kNothing;
  int elementBits_ = 0;
  // kRows, kElements: the last dim is the row. kTranspose: the last two dims are walked in tiles; `from` is contiguous
  // along the first of them and `to` along the second.
  StridedDims walk_;  // strides[0] of from, strides[1] of to
};

}  // namespace shardwright
