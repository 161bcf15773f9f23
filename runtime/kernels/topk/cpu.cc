#include <algorithm>

#include "runtime/kernels/axis_rows.h"
#include "runtime/kernels/numeric_types.h"
#include "runtime/kernels/parallel.h"
#include "runtime/kernels/topk/kernel.h"

namespace shardwright {
namespace {

struct TopkShape {
  AxisRows rows;  // of x, values, indices
  int axis = 0;
  int64_t length = 0, k = 0, offset = 0;
  bool largest = true;
};

template <typename T>
class PreparedTopk : public PreparedKernel {
 public:
  PreparedTopk(TopkShape shape, int numThreads) : s_(std::move(shape)), numThreads_(numThreads) {}

  int64_t scratchBytes() const override { return numThreads_ * s_.length * static_cast<int64_t>(sizeof(Candidate)); }

  void run(const TensorRef* inputs, const TensorRef* outputs, void* scratch, ThreadPool& pool) override {
    auto part = [&](int t, int n) {
      Slice slice = threadSlice(s_.rows.count(), t, n);
      Candidate* candidates = static_cast<Candidate*>(scratch) + s_.length * t;
      for (int64_t r = slice.begin; r < slice.end; ++r) computeRow(r, inputs[0], outputs, candidates);
    };
    runParts(pool, s_.rows.count() * s_.length, part);
  }

 private:
  struct Candidate {
    T value;
    int64_t index;
  };

  void computeRow(int64_t r, const TensorRef& x, const TensorRef* outputs, Candidate* candidates) const {
    const T* from = x.as<const T>() + s_.rows.offset(r, 0);
    for (int64_t i = 0; i < s_.length; ++i) candidates[i] = {from[i * x.strides[s_.axis]], i};
    auto before = [largest = s_.largest](const Candidate& a, const Candidate& b) {
      bool less = isLess(a.value, b.value), greater = isLess(b.value, a.value);
      if (!less && !greater) return a.index < b.index;
      return largest ? greater : less;
    };
    std::partial_sort(candidates, candidates + s_.k, candidates + s_.length, before);
    T* values = outputs[0].as<T>() + s_.rows.offset(r, 1);
    int64_t* indices = outputs[1].as<int64_t>() + s_.rows.offset(r, 2);
    for (int64_t i = 0; i < s_.k; ++i) {
      values[i * outputs[0].strides[s_.axis]] = candidates[i].value;
      indices[i * outputs[1].strides[s_.axis]] = candidates[i].index + s_.offset;
    }
  }

  TopkShape s_;
  int numThreads_;
};

class Topk : public Kernel {
 public:
  explicit Topk(const KernelSpec& spec) : spec_(spec) {}

  StatusOr<std::unique_ptr<PreparedKernel>> prepare(const std::vector<TensorRef>& inputs,
                                                    const std::vector<TensorRef>& outputs, const Attrs& sizeAttrs,
                                                    int numThreads) override {
    const TensorRef &x = inputs[0], &values = outputs[0], &indices = outputs[1];
    AttrReader attrs(spec_, &sizeAttrs);
    TopkShape shape;
    shape.axis = readAxis(attrs, x.rank);
    shape.largest = attrs.flag("largest", true);
    shape.offset = attrs.integer("offset", 0);
    SW_RETURN_IF_ERROR(attrs.status());
    bool fits = sameButAxis(x, values, shape.axis) && sameDims(values, indices) &&
                values.dims[shape.axis] <= x.dims[shape.axis];
    if (!fits) {
      return stepError(spec_, "finds the top of " + describe(x) + " along axis " + std::to_string(shape.axis) + " in " +
                                  describe(values) + " and " + describe(indices) +
                                  "; the outputs must have x's dims, with at most x's extent along the axis");
    }
    shape.rows = axisRows({&x, &values, &indices}, shape.axis);
    shape.length = x.dims[shape.axis];
    shape.k = values.dims[shape.axis];
    std::unique_ptr<PreparedKernel> prepared;
    visitNumeric(x.dtype, [&](auto element) {
      prepared = std::make_unique<PreparedTopk<decltype(element)>>(std::move(shape), numThreads);
    });
    return prepared;
  }

 private:
  KernelSpec spec_;
};

}  // namespace

StatusOr<std::unique_ptr<Kernel>> makeTopkCpu(const KernelSpec& spec) {
  SW_RETURN_IF_ERROR(checkArity(spec, 1, 1, 2));
  SW_RETURN_IF_ERROR(checkNoPostOps(spec));
  AttrReader attrs(spec);
  attrs.allowOnly({"axis", "largest", "sorted", "offset"});
  SW_RETURN_IF_ERROR(attrs.status());
  if (!isNumeric(spec.inputs[0]) || spec.outputs[0] != spec.inputs[0] || spec.outputs[1] != DType::kInt64) {
    return stepError(spec, "finds the top of " + std::string(dtypeName(spec.inputs[0])) + " in " +
                               std::string(dtypeName(spec.outputs[0])) + " and " +
                               std::string(dtypeName(spec.outputs[1])) +
                               "; values must have x's type, a number of 8 to 64 bits, and indices int64");
  }
  return std::unique_ptr<Kernel>(new Topk(spec));
}

}  // namespace shardwright
