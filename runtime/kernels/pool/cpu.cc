#include <algorithm>
#include <limits>

#include "runtime/kernels/float_rows.h"
#include "runtime/kernels/multiversion.h"
#include "runtime/kernels/parallel.h"
#include "runtime/kernels/pool/kernel.h"
#include "runtime/kernels/window_geometry.h"

namespace shardwright {
namespace {

constexpr int64_t kLanes = 256;  // outputs computed together; their accumulators stay in L1

SW_MULTIVERSION(void, maxFloats, (float* sums, const float* x, int64_t stride, int64_t n), (sums, x, stride, n)) {
  if (stride == 1) {
    for (int64_t i = 0; i < n; ++i) sums[i] = x[i] > sums[i] || x[i] != x[i] ? x[i] : sums[i];
  } else {
    for (int64_t i = 0; i < n; ++i) {
      float v = x[i * stride];
      sums[i] = v > sums[i] || v != v ? v : sums[i];
    }
  }
}

SW_MULTIVERSION(void, addFloats, (float* sums, const float* x, int64_t stride, int64_t n), (sums, x, stride, n)) {
  if (stride == 1) {
    for (int64_t i = 0; i < n; ++i) sums[i] += x[i];
  } else {
    for (int64_t i = 0; i < n; ++i) sums[i] += x[i * stride];
  }
}

// A pooling window over lanes: neighbouring outputs along one dim (channels where they are contiguous, else the last
// spatial dim), all for one index of the other dims.
struct Pooling {
  std::vector<WindowDim> window;
  bool max = true, countPads = false, lanesAreChannels = true;
  std::vector<int64_t> outer;  // n, c unless lanes, spatial dims unless lanes
  int64_t lanes = 0, xLaneStride = 0, yLaneStride = 0;
  TensorRef x, y;  // dims and strides

  int64_t outerCount() const {
    int64_t n = 1;
    for (int64_t d : outer) n *= d;
    return n;
  }
};

template <typename T>
struct Values {
  static constexpr T kLowest =
      std::numeric_limits<T>::has_infinity ? -std::numeric_limits<T>::infinity() : std::numeric_limits<T>::lowest();
  static void reduce(bool max, T* sums, const T* x, int64_t stride, int64_t n) {
    if constexpr (std::is_same_v<T, float>) return max ? maxFloats(sums, x, stride, n) : addFloats(sums, x, stride, n);
    for (int64_t i = 0; i < n; ++i) sums[i] = std::max(sums[i], x[i * stride]);
  }
};

// T is what sums are computed in; elements of 16-bit floats are widened as they are read.
template <typename T>
class PreparedPool : public PreparedKernel {
 public:
  explicit PreparedPool(Pooling pooling) : p_(std::move(pooling)) {}

  void run(const TensorRef* inputs, const TensorRef* outputs, void*, ThreadPool& pool) override {
    auto part = [&](int t, int n) {
      Slice slice = threadSlice(p_.outerCount(), t, n);
      for (int64_t i = slice.begin; i < slice.end; ++i) {
        for (int64_t lane = 0; lane < p_.lanes; lane += kLanes) {
          computeLanes(i, lane, std::min(kLanes, p_.lanes - lane), inputs[0], outputs[0]);
        }
      }
    };
    runParts(pool, p_.outerCount() * p_.lanes, part);
  }

 private:
  void computeLanes(int64_t outer, int64_t firstLane, int64_t lanes, const TensorRef& x, const TensorRef& y) const;
  void addTap(const TensorRef& x, int64_t offset, int64_t n, T* sums) const {
    if constexpr (std::is_same_v<T, float>) {
      if (x.dtype != DType::kFloat32) {
        float wide[kLanes];
        loadFloats(x.dtype, x.data, offset, p_.xLaneStride, n, wide);
        return Values<T>::reduce(p_.max, sums, wide, 1, n);
      }
    }
    Values<T>::reduce(p_.max, sums, x.as<const T>() + offset, p_.xLaneStride, n);
  }

  Pooling p_;
};

template <typename T>
void PreparedPool<T>::computeLanes(int64_t outer, int64_t firstLane, int64_t lanes, const TensorRef& x,
                                   const TensorRef& y) const {
  int64_t index[kMaxRank] = {};  // of the first output: n, c, spatial…
  int spatial = static_cast<int>(p_.window.size()), laneDim = p_.lanesAreChannels ? 1 : spatial + 1;
  for (int i = static_cast<int>(p_.outer.size()) - 1, d = spatial + 1; d >= 0; --d) {
    if (d == laneDim) continue;
    index[d] = outer % p_.outer[i];
    outer /= p_.outer[i--];
  }
  index[laneDim] = firstLane;
  T sums[kLanes];
  float counts[kLanes];
  std::fill_n(sums, lanes, p_.max ? Values<T>::kLowest : T(0));
  std::fill_n(counts, lanes, 0.f);
  int64_t taps = 1;
  for (const WindowDim& dim : p_.window) taps *= dim.kernel;
  for (int64_t tap = 0; tap < taps; ++tap) {
    int64_t offset = index[0] * p_.x.strides[0] + index[1] * p_.x.strides[1], rest = tap;
    int64_t first = 0, end = lanes, firstPadded = 0,
            endPadded = lanes;  // lanes whose tap is an element; or padding too
    for (int i = spatial - 1; i >= 0; --i) {
      const WindowDim& dim = p_.window[i];
      int64_t at = index[i + 2] * dim.stride - dim.padBegin + rest % dim.kernel * dim.dilation;
      rest /= dim.kernel;
      offset += at * p_.x.strides[i + 2];
      // Lane l reads position at + l * step, which must lie in [low, high).
      int64_t step = i + 2 == laneDim ? dim.stride : 0;
      auto narrow = [&](int64_t low, int64_t high, int64_t& from, int64_t& to) {
        if (step == 0) {
          if (at < low || at >= high) to = from;
          return;
        }
        from = std::max(from, at >= low ? 0 : (low - at + step - 1) / step);
        to = std::max(from, std::min(to, at >= high ? 0 : (high - at + step - 1) / step));
      };
      narrow(0, dim.input, first, end);
      narrow(-dim.padBegin, dim.input + dim.padEnd, firstPadded, endPadded);
    }
    if (first < end) addTap(x, offset + first * p_.xLaneStride, end - first, sums + first);
    if (p_.max) continue;
    int64_t from = p_.countPads ? firstPadded : first, to = p_.countPads ? endPadded : end;
    for (int64_t l = from; l < to; ++l) counts[l] += 1.f;
  }
  int64_t to = 0;
  for (int d = 0; d < spatial + 2; ++d) to += index[d] * p_.y.strides[d];
  if constexpr (std::is_same_v<T, float>) {
    if (!p_.max) {
      for (int64_t l = 0; l < lanes; ++l) sums[l] = counts[l] > 0 ? sums[l] / counts[l] : 0.f;
    }
    storeFloats(y.dtype, y.data, to, p_.yLaneStride, lanes, sums);
  } else {
    for (int64_t l = 0; l < lanes; ++l) y.as<T>()[to + l * p_.yLaneStride] = sums[l];
  }
}

std::unique_ptr<PreparedKernel> makePrepared(DType type, Pooling p) {
  switch (type) {
    case DType::kFloat64:
      return std::make_unique<PreparedPool<double>>(std::move(p));
    case DType::kInt8:
      return std::make_unique<PreparedPool<int8_t>>(std::move(p));
    case DType::kUint8:
      return std::make_unique<PreparedPool<uint8_t>>(std::move(p));
    case DType::kInt32:
      return std::make_unique<PreparedPool<int32_t>>(std::move(p));
    case DType::kInt64:
      return std::make_unique<PreparedPool<int64_t>>(std::move(p));
    default:
      return std::make_unique<PreparedPool<float>>(std::move(p));
  }
}

class Pool : public Kernel {
 public:
  explicit Pool(const KernelSpec& spec) : spec_(spec) {}

  StatusOr<std::unique_ptr<PreparedKernel>> prepare(const std::vector<TensorRef>& inputs,
                                                    const std::vector<TensorRef>& outputs, const Attrs& sizeAttrs,
                                                    int) override {
    AttrReader attrs(spec_, &sizeAttrs);
    Pooling p;
    p.max = attrs.text("mode") == "max";
    p.countPads = attrs.flag("count_include_pad", false);
    std::vector<int64_t> kernelShape = attrs.integers("kernel_shape");
    SW_RETURN_IF_ERROR(attrs.status());
    p.x = inputs[0];
    p.y = outputs[0];
    SW_ASSIGN_OR_RETURN(p.window, readWindow(spec_, attrs, kernelShape, p.x, p.y, false));
    if (p.x.dims[0] != p.y.dims[0] || p.x.dims[1] != p.y.dims[1]) {
      return stepError(spec_, "pools " + describe(p.x) + " to " + describe(p.y) + "; the first two dims must be equal");
    }
    p.lanesAreChannels = p.x.strides[1] == 1 && p.y.strides[1] == 1;
    int laneDim = p.lanesAreChannels ? 1 : p.x.rank - 1;
    for (int d = 0; d < p.x.rank; ++d) {
      if (d != laneDim) p.outer.push_back(p.y.dims[d]);
    }
    p.lanes = p.y.dims[laneDim];
    p.yLaneStride = p.y.strides[laneDim];
    p.xLaneStride = p.x.strides[laneDim] * (p.lanesAreChannels ? 1 : p.window.back().stride);
    return makePrepared(p.x.dtype, std::move(p));
  }

 private:
  KernelSpec spec_;
};

}  // namespace

StatusOr<std::unique_ptr<Kernel>> makePoolCpu(const KernelSpec& spec) {
  SW_RETURN_IF_ERROR(checkArity(spec, 1, 1, 1));
  SW_RETURN_IF_ERROR(checkNoPostOps(spec));
  AttrReader attrs(spec);
  attrs.allowOnly({"mode", "kernel_shape", "strides", "dilations", "pads", "count_include_pad"});
  bool max = attrs.choice("mode", {"max", "average"}) == "max";
  attrs.text("mode");
  SW_RETURN_IF_ERROR(attrs.status());
  DType type = spec.inputs[0];
  bool ordered = type == DType::kFloat64 || type == DType::kInt8 || type == DType::kUint8 || type == DType::kInt32 ||
                 type == DType::kInt64;
  if (type != spec.outputs[0] || !(isComputedInFloat(type) || (max && ordered))) {
    return stepError(spec, "pools " + std::string(dtypeName(type)) + " to " + std::string(dtypeName(spec.outputs[0])) +
                               "; both must be one type, a float of 16 or 32 bits or, for \"max\", float64 or an "
                               "integer of 8, 32 or 64 bits");
  }
  return std::unique_ptr<Kernel>(new Pool(spec));
}

}  // namespace shardwright
