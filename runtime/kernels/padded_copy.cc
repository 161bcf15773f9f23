#include "runtime/kernels/padded_copy.h"

#include <algorithm>
#include <cstring>

#include "runtime/kernels/float_rows.h"
#include "runtime/kernels/parallel.h"

namespace shardwright {

PaddedCopy::PaddedCopy(const TensorRef& x, std::vector<WindowDim>& dims, int numPadded) {
  int spatial = static_cast<int>(dims.size());
  from_.dtype = x.dtype;
  result_.dtype = inner_.dtype = DType::kFloat32;
  from_.rank = inner_.rank = result_.rank = x.rank;
  from_.dims[0] = x.dims[0];
  from_.strides[0] = x.strides[0];
  from_.dims[spatial + 1] = result_.dims[1] = x.dims[1];
  from_.strides[spatial + 1] = x.strides[1];
  inner_.strides[spatial + 1] = result_.strides[1] = 1;
  int64_t step = x.dims[1];
  for (int i = spatial - 1; i >= 0; --i) {
    WindowDim whole = dims[i];
    whole.padBegin = whole.padEnd = 0;
    WindowDim& dim = i < numPadded ? dims[i] : whole;
    int64_t first = std::max<int64_t>(0, -dim.padBegin), end = dim.input - std::max<int64_t>(0, -dim.padEnd);
    from_.dims[i + 1] = std::max<int64_t>(0, end - first);
    from_.strides[i + 1] = x.strides[i + 2];
    fromOffset_ += first * x.strides[i + 2];
    innerOffset_ += std::max<int64_t>(0, dim.padBegin) * step;
    padded_ |= dim.padBegin > 0 || dim.padEnd > 0;
    dim.input = std::max<int64_t>(0, dim.input + dim.padBegin + dim.padEnd);
    dim.padBegin = dim.padEnd = 0;
    inner_.strides[i + 1] = result_.strides[i + 2] = step;
    result_.dims[i + 2] = dim.input;
    step *= dim.input;
  }
  result_.dims[0] = x.dims[0];
  inner_.strides[0] = result_.strides[0] = step;
  std::copy_n(from_.dims, from_.rank, inner_.dims);
  floats_ = step * x.dims[0];
  if (from_.dtype == DType::kFloat32) copy_ = StridedCopy(from_, inner_);
}

void PaddedCopy::run(const void* x, float* to, ThreadPool& pool) const {
  auto clear = [&](int t, int n) {
    Slice slice = threadSlice(floats_, t, n, 16);
    std::memset(to + slice.begin, 0, (slice.end - slice.begin) * sizeof(float));
  };
  if (padded_) runParts(pool, floats_, clear);
  auto fill = [&](int t, int n) {
    const char* from = static_cast<const char*>(x) + fromOffset_ * bitWidth(from_.dtype) / 8;
    if (from_.dtype == DType::kFloat32) return copy_.run(from, to + innerOffset_, t, n);
    int outer = from_.rank - 1;
    int64_t row = from_.dims[outer], count = from_.count();
    Slice slice = threadSlice(count == 0 ? 0 : count / row, t, n);
    for (int64_t r = slice.begin; r < slice.end; ++r) {
      loadFloats(from_.dtype, from, flatOffset(r, outer, from_.dims, from_.strides), from_.strides[outer], row,
                 to + innerOffset_ + flatOffset(r, outer, inner_.dims, inner_.strides));
    }
  };
  runParts(pool, floats_, fill);
}

}  // namespace shardwright
