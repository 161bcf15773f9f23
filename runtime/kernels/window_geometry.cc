#include "runtime/kernels/window_geometry.h"

#include <algorithm>

namespace shardwright {

WindowPart windowPart(const WindowDim& dim, int64_t first, int64_t end) {
  int64_t begin = first * dim.stride - dim.padBegin;
  int64_t stop = (end - 1) * dim.stride - dim.padBegin + dim.extent();
  WindowPart part;
  part.firstInput = std::clamp<int64_t>(begin, 0, dim.input);
  part.endInput = std::clamp<int64_t>(stop, part.firstInput, dim.input);
  part.padBegin = std::max<int64_t>(0, -begin);
  part.padEnd = std::max<int64_t>(0, stop - dim.input);
  return part;
}

StatusOr<std::vector<WindowDim>> readWindow(const KernelSpec& spec, AttrReader& attrs,
                                            const std::vector<int64_t>& kernelShape, const TensorRef& x,
                                            const TensorRef& y, bool checkEnd) {
  size_t spatial = kernelShape.size();
  std::vector<int64_t> ones(spatial, 1), zeros(2 * spatial, 0);
  std::vector<int64_t> strides = attrs.integers("strides", ones), dilations = attrs.integers("dilations", ones),
                       pads = attrs.integers("pads", zeros);
  SW_RETURN_IF_ERROR(attrs.status());
  if (spatial < 1 || spatial > kMaxSpatial || x.rank != static_cast<int>(spatial) + 2 || y.rank != x.rank ||
      strides.size() != spatial || dilations.size() != spatial || pads.size() != 2 * spatial) {
    return stepError(spec, "slides a window of " + std::to_string(spatial) + " dims over " + describe(x) + " to " +
                               describe(y) +
                               "; x and y must have 1 to 3 spatial dims behind two others, \"strides\" and "
                               "\"dilations\" one number for each, \"pads\" two");
  }
  std::vector<WindowDim> dims;
  for (size_t i = 0; i < spatial; ++i) {
    WindowDim dim{x.dims[i + 2], y.dims[i + 2], kernelShape[i], strides[i], dilations[i], pads[i], pads[i + spatial]};
    bool positive = dim.kernel > 0 && dim.stride > 0 && dim.dilation > 0;
    bool fits = positive && (dim.output == 0 || (dim.output - 1) * dim.stride - dim.padBegin < dim.input + dim.padEnd);
    if (fits && checkEnd && dim.output > 0) {
      fits = (dim.output - 1) * dim.stride + dim.extent() <= dim.padBegin + dim.input + dim.padEnd;
    }
    if (!fits) {
      return stepError(spec, "spatial dim " + std::to_string(i) + " has " + std::to_string(dim.output) +
                                 " outputs of " + std::to_string(dim.input) + " inputs with kernel " +
                                 std::to_string(dim.kernel) + ", stride " + std::to_string(dim.stride) + ", dilation " +
                                 std::to_string(dim.dilation) + ", pads " + std::to_string(dim.padBegin) + " and " +
                                 std::to_string(dim.padEnd) + "; every window must lie in the padded input");
    }
    dims.push_back(dim);
  }
  return dims;
}

}  // namespace shardwright
