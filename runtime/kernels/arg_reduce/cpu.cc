#include <algorithm>

#include "runtime/kernels/arg_reduce/kernel.h"
#include "runtime/kernels/axis_rows.h"
#include "runtime/kernels/numeric_types.h"
#include "runtime/kernels/parallel.h"

namespace shardwright {
namespace {

struct ArgShape {
  AxisRows rows;  // of x, indices, values
  int64_t length = 0, stride = 0, offset = 0;
  bool max = true, last = false;
};

template <typename T>
class PreparedArgReduce : public PreparedKernel {
 public:
  PreparedArgReduce(ArgShape shape, bool wantsValues) : s_(std::move(shape)), wantsValues_(wantsValues) {}

  void run(const TensorRef* inputs, const TensorRef* outputs, void*, ThreadPool& pool) override {
    auto part = [&](int t, int n) {
      Slice slice = threadSlice(s_.rows.count(), t, n);
      for (int64_t r = slice.begin; r < slice.end; ++r) {
        const T* row = inputs[0].as<const T>() + s_.rows.offset(r, 0);
        int64_t best = find(row);
        outputs[0].as<int64_t>()[s_.rows.offset(r, 1)] = best + s_.offset;
        if (wantsValues_) outputs[1].as<T>()[s_.rows.offset(r, 2)] = row[best * s_.stride];
      }
    };
    runParts(pool, s_.rows.count() * s_.length, part);
  }

 private:
  int64_t find(const T* row) const {
    int64_t best = 0;
    T bestValue = row[0];
    for (int64_t i = 1; i < s_.length; ++i) {
      T value = row[i * s_.stride];
      bool better = s_.max ? isLess(bestValue, value) : isLess(value, bestValue);
      if (s_.last && !better) better = s_.max ? !isLess(value, bestValue) : !isLess(bestValue, value);
      if (!better) continue;
      best = i;
      bestValue = value;
    }
    return best;
  }

  ArgShape s_;
  bool wantsValues_;
};

class ArgReduce : public Kernel {
 public:
  explicit ArgReduce(const KernelSpec& spec) : spec_(spec) {}

  StatusOr<std::unique_ptr<PreparedKernel>> prepare(const std::vector<TensorRef>& inputs,
                                                    const std::vector<TensorRef>& outputs, const Attrs& sizeAttrs,
                                                    int) override {
    const TensorRef& x = inputs[0];
    AttrReader attrs(spec_, &sizeAttrs);
    int axis = readAxis(attrs, x.rank);
    ArgShape shape;
    shape.max = attrs.choice("mode", {"max", "min"}) == "max";
    shape.last = attrs.flag("select_last_index", false);
    shape.offset = attrs.integer("offset", 0);
    SW_RETURN_IF_ERROR(attrs.status());
    std::vector<TensorRef> results = outputs;
    for (TensorRef& result : results) {
      if (result.rank == x.rank - 1) insertAxis(result, axis);
      if (sameButAxis(x, result, axis) && result.dims[axis] == 1 && x.dims[axis] > 0) continue;
      return stepError(spec_, "reduces " + describe(x) + " along axis " + std::to_string(axis) + " to " +
                                  describe(result) +
                                  "; the axis must not be empty, and outputs must lack it or have 1");
    }
    bool wantsValues = results.size() > 1;
    shape.rows = axisRows({&x, &results[0], wantsValues ? &results[1] : &results[0]}, axis);
    shape.length = x.dims[axis];
    shape.stride = x.strides[axis];
    std::unique_ptr<PreparedKernel> prepared;
    visitNumeric(x.dtype, [&](auto element) {
      prepared = std::make_unique<PreparedArgReduce<decltype(element)>>(std::move(shape), wantsValues);
    });
    return prepared;
  }

 private:
  static void insertAxis(TensorRef& tensor, int axis) {
    std::copy_backward(tensor.dims + axis, tensor.dims + tensor.rank, tensor.dims + tensor.rank + 1);
    std::copy_backward(tensor.strides + axis, tensor.strides + tensor.rank, tensor.strides + tensor.rank + 1);
    tensor.dims[axis] = 1;
    tensor.strides[axis] = 0;
    ++tensor.rank;
  }

  KernelSpec spec_;
};

}  // namespace

StatusOr<std::unique_ptr<Kernel>> makeArgReduceCpu(const KernelSpec& spec) {
  SW_RETURN_IF_ERROR(checkArity(spec, 1, 1, spec.outputs.size() == 2 ? 2 : 1));
  SW_RETURN_IF_ERROR(checkNoPostOps(spec));
  AttrReader attrs(spec);
  attrs.allowOnly({"axis", "mode", "select_last_index", "offset"});
  attrs.text("mode");
  SW_RETURN_IF_ERROR(attrs.status());
  bool fits = isNumeric(spec.inputs[0]) && spec.outputs[0] == DType::kInt64;
  if (spec.outputs.size() == 2) fits &= spec.outputs[1] == spec.inputs[0];
  if (!fits) {
    return stepError(spec, "finds extremes of " + std::string(dtypeName(spec.inputs[0])) + " in " +
                               std::string(dtypeName(spec.outputs[0])) +
                               "; x must be numbers of 8 to 64 bits, indices int64, values of x's type");
  }
  return std::unique_ptr<Kernel>(new ArgReduce(spec));
}

}  // namespace shardwright
