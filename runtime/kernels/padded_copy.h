// Owns laying an image batch out channels-last in float32 with explicit zeros around it.
#pragma once

#include "runtime/kernels/copy/strided_copy.h"
#include "runtime/kernels/window_geometry.h"

namespace shardwright {

// x[n, c, spatial…] of any strides and a type computed in float32 -> dense [n, padded spatial…, c].
class PaddedCopy {
 public:
  PaddedCopy() = default;
  // Takes the pads out of the first `numPadded` dims: they become part of the input. A negative pad drops inputs.
  PaddedCopy(const TensorRef& x, std::vector<WindowDim>& dims, int numPadded = kMaxSpatial);

  int64_t bytes() const { return floats_ * static_cast<int64_t>(sizeof(float)); }
  // The result as x was: dims n, c, spatial….
  const TensorRef& result() const { return result_; }
  void run(const void* x, float* to, ThreadPool& pool) const;

 private:
  TensorRef from_, inner_;  // the window that is copied, and where it goes: dims n, spatial…, c
  int64_t fromOffset_ = 0, innerOffset_ = 0;
  int64_t floats_ = 0;
  bool padded_ = false;
  StridedCopy copy_;
  TensorRef result_;
};

}  // namespace shardwright
