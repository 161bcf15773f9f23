#include <algorithm>

#include "runtime/kernels/combine.h"
#include "runtime/kernels/copy/strided_copy.h"
#include "runtime/kernels/nd_index.h"
#include "runtime/kernels/parallel.h"
#include "runtime/kernels/row_copy.h"
#include "runtime/kernels/scatter_nd/kernel.h"

namespace shardwright {
namespace {

struct ScatterNdShape {
  NdIndex index;  // into the output
  Combine how = Combine::kReplace;
  StridedDims slice;  // the dims that are not indexed, of updates and output
  int64_t tuples = 1;
  int outer = 0;  // rank of a tuple's number
};

template <typename T>
class PreparedScatterNd : public PreparedKernel {
 public:
  PreparedScatterNd(ScatterNdShape shape, StridedCopy copy) : s_(std::move(shape)), copy_(std::move(copy)) {
    if (s_.slice.rank() == 0) s_.slice = {{1}, {{0}, {0}}};
  }

  void run(const TensorRef* inputs, const TensorRef* outputs, void*, ThreadPool& pool) override {
    const TensorRef &indices = inputs[1], &updates = inputs[2], &to = outputs[0];
    auto copy = [&](int t, int n) { copy_.run(inputs[0].data, to.data, t, n); };
    if (inputs[0].data != to.data) runParts(pool, to.count(), copy);
    // Updates may meet in one element, so that their order is kept: threads share each slice, not the updates.
    auto scatter = [&](int t, int n) {
      int inner = s_.slice.rank() - 1;
      int64_t row = s_.slice.dims[inner], rows = s_.slice.count() / std::max<int64_t>(row, 1);
      Slice rowPart = rows >= n ? threadSlice(rows, t, n) : Slice{0, rows};
      Slice columnPart = rows >= n ? Slice{0, row} : threadSlice(row, t, n, 16);
      if (rowPart.begin == rowPart.end || columnPart.begin == columnPart.end) return;
      for (int64_t i = 0; i < s_.tuples; ++i) {
        int64_t at = s_.index.offset(indices, flatOffset(i, s_.outer, indices.dims, indices.strides));
        if (at < 0) continue;
        int64_t from = flatOffset(i, s_.outer, updates.dims, updates.strides);
        for (int64_t r = rowPart.begin; r < rowPart.end; ++r) {
          const T* in =
              updates.as<const T>() + from + flatOffset(r, inner, s_.slice.dims.data(), s_.slice.strides[0].data());
          T* out = to.as<T>() + at + flatOffset(r, inner, s_.slice.dims.data(), s_.slice.strides[1].data());
          for (int64_t c = columnPart.begin; c < columnPart.end; ++c) {
            combine(s_.how, out[c * s_.slice.strides[1][inner]], in[c * s_.slice.strides[0][inner]]);
          }
        }
      }
    };
    runParts(pool, updates.count(), scatter);
  }

 private:
  ScatterNdShape s_;
  StridedCopy copy_;
};

class ScatterNd : public Kernel {
 public:
  explicit ScatterNd(const KernelSpec& spec) : spec_(spec) {}

  StatusOr<std::unique_ptr<PreparedKernel>> prepare(const std::vector<TensorRef>& inputs,
                                                    const std::vector<TensorRef>& outputs, const Attrs& sizeAttrs,
                                                    int) override {
    const TensorRef &data = inputs[0], &indices = inputs[1], &updates = inputs[2], &to = outputs[0];
    AttrReader attrs(spec_, &sizeAttrs);
    int64_t length = indices.rank > 0 ? indices.dims[indices.rank - 1] : 0;
    bool fits = indices.rank >= 1 && sameDims(data, to) && length <= data.rank &&
                updates.rank == indices.rank - 1 + data.rank - length &&
                std::equal(indices.dims, indices.dims + indices.rank - 1, updates.dims) &&
                std::equal(data.dims + length, data.dims + data.rank, updates.dims + indices.rank - 1);
    if (!fits) {
      return stepError(spec_, "scatters " + describe(updates) + " by " + describe(indices) + " over " + describe(data) +
                                  " to " + describe(to) +
                                  "; data and output must have the same dims, and updates those of the indices but the "
                                  "last, then those of the data that are not indexed");
    }
    ScatterNdShape shape;
    shape.index = readNdIndex(attrs, to, indices, 0);
    shape.how = readCombine(attrs);
    SW_RETURN_IF_ERROR(attrs.status());
    shape.outer = indices.rank - 1;
    for (int i = 0; i < shape.outer; ++i) shape.tuples *= indices.dims[i];
    TensorRef from = trailingDims(updates, shape.outer), target = trailingDims(to, static_cast<int>(length));
    shape.slice = stridedDims({&from, &target}, from.rank);
    mergeDims(shape.slice);
    std::unique_ptr<PreparedKernel> prepared;
    visitNumeric(data.dtype, [&](auto element) {
      prepared = std::make_unique<PreparedScatterNd<decltype(element)>>(std::move(shape), StridedCopy(data, to));
    });
    return prepared;
  }

 private:
  KernelSpec spec_;
};

}  // namespace

StatusOr<std::unique_ptr<Kernel>> makeScatterNdCpu(const KernelSpec& spec) {
  SW_RETURN_IF_ERROR(checkArity(spec, 3, 3, 1));
  SW_RETURN_IF_ERROR(checkNoPostOps(spec));
  AttrReader attrs(spec);
  attrs.allowOnly({"reduction", "extents", "offsets"});
  readCombine(attrs);
  SW_RETURN_IF_ERROR(attrs.status());
  SW_RETURN_IF_ERROR(checkIndexedTypes(spec));
  if (spec.inputs[2] != spec.inputs[0] || !isNumeric(spec.inputs[0])) {
    return stepError(spec, "scatters " + std::string(dtypeName(spec.inputs[2])) + " over " +
                               std::string(dtypeName(spec.inputs[0])) +
                               "; both must be one type of number of 8 to 64 bits");
  }
  return std::unique_ptr<Kernel>(new ScatterNd(spec));
}

}  // namespace shardwright
