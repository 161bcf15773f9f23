#include "runtime/kernels/axis_rows.h"
#include "runtime/kernels/gather_elements/kernel.h"
#include "runtime/kernels/index_reader.h"
#include "runtime/kernels/numeric_types.h"
#include "runtime/kernels/parallel.h"

namespace shardwright {
namespace {

template <typename T>
class PreparedGatherElements : public PreparedKernel {
 public:
  PreparedGatherElements(AxisRows rows, int axis, int64_t length, IndexReader reader)
      : rows_(std::move(rows)), axis_(axis), length_(length), reader_(reader) {}

  void run(const TensorRef* inputs, const TensorRef* outputs, void*, ThreadPool& pool) override {
    const TensorRef &data = inputs[0], &indices = inputs[1], &to = outputs[0];
    auto part = [&](int t, int n) {
      Slice slice = threadSlice(rows_.count(), t, n);
      for (int64_t r = slice.begin; r < slice.end; ++r) {
        int64_t first = rows_.offset(r, 0);
        const T* from = data.as<const T>() + rows_.offset(r, 1);
        T* out = to.as<T>() + rows_.offset(r, 2);
        for (int64_t i = 0; i < length_; ++i) {
          int64_t at = reader_.position(loadIndex(indices.dtype, indices.data, first + i * indices.strides[axis_]));
          out[i * to.strides[axis_]] = at >= 0 ? from[at * data.strides[axis_]] : T{};
        }
      }
    };
    runParts(pool, rows_.count() * length_, part);
  }

 private:
  AxisRows rows_;  // of indices, data, output
  int axis_;
  int64_t length_;
  IndexReader reader_;
};

class GatherElements : public Kernel {
 public:
  explicit GatherElements(const KernelSpec& spec) : spec_(spec) {}

  StatusOr<std::unique_ptr<PreparedKernel>> prepare(const std::vector<TensorRef>& inputs,
                                                    const std::vector<TensorRef>& outputs, const Attrs& sizeAttrs,
                                                    int) override {
    const TensorRef &data = inputs[0], &indices = inputs[1], &to = outputs[0];
    AttrReader attrs(spec_, &sizeAttrs);
    int axis = readAxis(attrs, data.rank);
    SW_RETURN_IF_ERROR(attrs.status());
    bool fits = data.rank == indices.rank && sameDims(indices, to);
    for (int i = 0; fits && i < data.rank; ++i) fits = i == axis || indices.dims[i] <= data.dims[i];
    if (!fits) {
      return stepError(spec_, "gathers elements of " + describe(data) + " by " + describe(indices) + " to " +
                                  describe(to) + "; the output must have the indices' dims, and those off axis " +
                                  std::to_string(axis) + " must not exceed the data's");
    }
    IndexReader reader{attrs.integer("extent", data.dims[axis]), attrs.integer("offset", 0), data.dims[axis]};
    SW_RETURN_IF_ERROR(attrs.status());
    std::unique_ptr<PreparedKernel> prepared;
    visitWidth(data.dtype, [&](auto element) {
      prepared = std::make_unique<PreparedGatherElements<decltype(element)>>(axisRows({&indices, &data, &to}, axis),
                                                                             axis, indices.dims[axis], reader);
    });
    return prepared;
  }

 private:
  KernelSpec spec_;
};

}  // namespace

StatusOr<std::unique_ptr<Kernel>> makeGatherElementsCpu(const KernelSpec& spec) {
  SW_RETURN_IF_ERROR(checkArity(spec, 2, 2, 1));
  SW_RETURN_IF_ERROR(checkNoPostOps(spec));
  AttrReader attrs(spec);
  attrs.allowOnly({"axis", "extent", "offset"});
  SW_RETURN_IF_ERROR(attrs.status());
  SW_RETURN_IF_ERROR(checkIndexedTypes(spec));
  return std::unique_ptr<Kernel>(new GatherElements(spec));
}

}  // namespace shardwright
