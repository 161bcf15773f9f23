#include "runtime/kernels/axis_rows.h"
#include "runtime/kernels/combine.h"
#include "runtime/kernels/copy/strided_copy.h"
#include "runtime/kernels/index_reader.h"
#include "runtime/kernels/parallel.h"
#include "runtime/kernels/scatter_elements/kernel.h"

namespace shardwright {
namespace {

struct ScatterShape {
  AxisRows rows;  // of indices, updates, output
  int axis = 0;
  int64_t length = 0;
  IndexReader reader;
  Combine how = Combine::kReplace;
};

template <typename T>
class PreparedScatterElements : public PreparedKernel {
 public:
  PreparedScatterElements(ScatterShape shape, StridedCopy copy) : s_(std::move(shape)), copy_(std::move(copy)) {}

  void run(const TensorRef* inputs, const TensorRef* outputs, void*, ThreadPool& pool) override {
    const TensorRef &indices = inputs[1], &updates = inputs[2], &to = outputs[0];
    auto copy = [&](int t, int n) { copy_.run(inputs[0].data, to.data, t, n); };
    if (inputs[0].data != to.data) runParts(pool, to.count(), copy);
    // Updates of one element lie in one row, so that rows may be cut.
    auto scatter = [&](int t, int n) {
      Slice slice = threadSlice(s_.rows.count(), t, n);
      for (int64_t r = slice.begin; r < slice.end; ++r) {
        int64_t first = s_.rows.offset(r, 0);
        const T* from = updates.as<const T>() + s_.rows.offset(r, 1);
        T* out = to.as<T>() + s_.rows.offset(r, 2);
        for (int64_t i = 0; i < s_.length; ++i) {
          int64_t at = s_.reader.position(loadIndex(indices.dtype, indices.data, first + i * indices.strides[s_.axis]));
          if (at >= 0) combine(s_.how, out[at * to.strides[s_.axis]], from[i * updates.strides[s_.axis]]);
        }
      }
    };
    runParts(pool, s_.rows.count() * s_.length, scatter);
  }

 private:
  ScatterShape s_;
  StridedCopy copy_;
};

class ScatterElements : public Kernel {
 public:
  explicit ScatterElements(const KernelSpec& spec) : spec_(spec) {}

  StatusOr<std::unique_ptr<PreparedKernel>> prepare(const std::vector<TensorRef>& inputs,
                                                    const std::vector<TensorRef>& outputs, const Attrs& sizeAttrs,
                                                    int) override {
    const TensorRef &data = inputs[0], &indices = inputs[1], &updates = inputs[2], &to = outputs[0];
    AttrReader attrs(spec_, &sizeAttrs);
    ScatterShape shape;
    shape.axis = readAxis(attrs, data.rank);
    shape.how = readCombine(attrs);
    SW_RETURN_IF_ERROR(attrs.status());
    bool fits = sameDims(data, to) && sameDims(indices, updates) && data.rank == indices.rank;
    for (int i = 0; fits && i < data.rank; ++i) fits = i == shape.axis || indices.dims[i] <= data.dims[i];
    if (!fits) {
      return stepError(spec_, "scatters " + describe(updates) + " by " + describe(indices) + " over " + describe(data) +
                                  " to " + describe(to) +
                                  "; data and output, and indices and updates, must have the same dims");
    }
    shape.reader = {attrs.integer("extent", data.dims[shape.axis]), attrs.integer("offset", 0), data.dims[shape.axis]};
    SW_RETURN_IF_ERROR(attrs.status());
    shape.rows = axisRows({&indices, &updates, &to}, shape.axis);
    shape.length = indices.dims[shape.axis];
    std::unique_ptr<PreparedKernel> prepared;
    visitNumeric(data.dtype, [&](auto element) {
      prepared = std::make_unique<PreparedScatterElements<decltype(element)>>(std::move(shape), StridedCopy(data, to));
    });
    return prepared;
  }

 private:
  KernelSpec spec_;
};

}  // namespace

StatusOr<std::unique_ptr<Kernel>> makeScatterElementsCpu(const KernelSpec& spec) {
  SW_RETURN_IF_ERROR(checkArity(spec, 3, 3, 1));
  SW_RETURN_IF_ERROR(checkNoPostOps(spec));
  AttrReader attrs(spec);
  attrs.allowOnly({"axis", "reduction", "extent", "offset"});
  readCombine(attrs);
  SW_RETURN_IF_ERROR(attrs.status());
  SW_RETURN_IF_ERROR(checkIndexedTypes(spec));
  if (spec.inputs[2] != spec.inputs[0] || !isNumeric(spec.inputs[0])) {
    return stepError(spec, "scatters " + std::string(dtypeName(spec.inputs[2])) + " over " +
                               std::string(dtypeName(spec.inputs[0])) +
                               "; both must be one type of number of 8 to 64 bits");
  }
  return std::unique_ptr<Kernel>(new ScatterElements(spec));
}

}  // namespace shardwright
