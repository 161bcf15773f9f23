#include "runtime/kernels/axis_rows.h"
#include "runtime/kernels/cumsum/kernel.h"
#include "runtime/kernels/numeric_types.h"
#include "runtime/kernels/parallel.h"

namespace shardwright {
namespace {

struct CumsumShape {
  AxisRows rows;  // of x, y
  int axis = 0;
  int64_t length = 0;
  bool exclusive = false, reverse = false;
};

template <typename T>
class PreparedCumsum : public PreparedKernel {
 public:
  explicit PreparedCumsum(CumsumShape shape) : s_(std::move(shape)) {}

  void run(const TensorRef* inputs, const TensorRef* outputs, void*, ThreadPool& pool) override {
    const TensorRef &x = inputs[0], &y = outputs[0];
    auto part = [&](int t, int n) {
      Slice slice = threadSlice(s_.rows.count(), t, n);
      for (int64_t r = slice.begin; r < slice.end; ++r) {
        sumRow(x.as<const T>() + s_.rows.offset(r, 0), x.strides[s_.axis], y.as<T>() + s_.rows.offset(r, 1),
               y.strides[s_.axis]);
      }
    };
    runParts(pool, s_.rows.count() * s_.length, part);
  }

 private:
  using Sum = typename Computed<T>::Type;

  // Signed overflow wraps, as in every tensor library.
  static Sum add(Sum a, Sum b) {
    if constexpr (std::is_integral_v<Sum>) {
      return static_cast<Sum>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
    } else {
      return a + b;
    }
  }

  void sumRow(const T* x, int64_t xStride, T* y, int64_t yStride) const {
    Sum sum = 0;
    for (int64_t i = 0; i < s_.length; ++i) {
      int64_t at = s_.reverse ? s_.length - 1 - i : i;
      Sum next = add(sum, static_cast<Sum>(x[at * xStride]));
      y[at * yStride] = static_cast<T>(s_.exclusive ? sum : next);
      sum = next;
    }
  }

  CumsumShape s_;
};

class Cumsum : public Kernel {
 public:
  explicit Cumsum(const KernelSpec& spec) : spec_(spec) {}

  StatusOr<std::unique_ptr<PreparedKernel>> prepare(const std::vector<TensorRef>& inputs,
                                                    const std::vector<TensorRef>& outputs, const Attrs& sizeAttrs,
                                                    int) override {
    const TensorRef &x = inputs[0], &y = outputs[0];
    AttrReader attrs(spec_, &sizeAttrs);
    CumsumShape shape;
    shape.axis = readAxis(attrs, x.rank);
    shape.exclusive = attrs.flag("exclusive", false);
    shape.reverse = attrs.flag("reverse", false);
    SW_RETURN_IF_ERROR(attrs.status());
    if (!sameDims(x, y)) {
      return stepError(spec_, "sums " + describe(x) + " to " + describe(y) + "; the dims must be equal");
    }
    shape.rows = axisRows({&x, &y}, shape.axis);
    shape.length = x.dims[shape.axis];
    std::unique_ptr<PreparedKernel> prepared;
    visitNumeric(x.dtype, [&](auto element) {
      prepared = std::make_unique<PreparedCumsum<decltype(element)>>(std::move(shape));
    });
    return prepared;
  }

 private:
  KernelSpec spec_;
};

}  // namespace

StatusOr<std::unique_ptr<Kernel>> makeCumsumCpu(const KernelSpec& spec) {
  SW_RETURN_IF_ERROR(checkArity(spec, 1, 1, 1));
  SW_RETURN_IF_ERROR(checkNoPostOps(spec));
  AttrReader attrs(spec);
  attrs.allowOnly({"axis", "exclusive", "reverse"});
  SW_RETURN_IF_ERROR(attrs.status());
  if (!isNumeric(spec.inputs[0]) || spec.outputs[0] != spec.inputs[0]) {
    return stepError(spec, "sums " + std::string(dtypeName(spec.inputs[0])) + " to " +
                               std::string(dtypeName(spec.outputs[0])) +
                               "; both must be one type of number of 8 to 64 bits");
  }
  return std::unique_ptr<Kernel>(new Cumsum(spec));
}

}  // namespace shardwright
