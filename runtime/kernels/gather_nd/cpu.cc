#include <algorithm>

#include "runtime/kernels/gather_nd/kernel.h"
#include "runtime/kernels/nd_index.h"
#include "runtime/kernels/parallel.h"
#include "runtime/kernels/row_copy.h"

namespace shardwright {
namespace {

class PreparedGatherNd : public PreparedKernel {
 public:
  PreparedGatherNd(const TensorRef& data, const TensorRef& indices, const TensorRef& to, int batchDims, NdIndex index)
      : index_(index),
        batchDims_(batchDims),
        elementBytes_(bitWidth(data.dtype) / 8),
        row_(trailingDims(data, batchDims + index.length), trailingDims(to, indices.rank - 1)) {
    for (int i = 0; i < indices.rank - 1; ++i) {
      tuples_ *= indices.dims[i];
      if (i >= batchDims) perBatch_ *= indices.dims[i];
    }
  }

  void run(const TensorRef* inputs, const TensorRef* outputs, void*, ThreadPool& pool) override {
    const TensorRef &data = inputs[0], &indices = inputs[1], &to = outputs[0];
    int outer = indices.rank - 1;
    auto part = [&](int t, int n) {
      Slice slice = threadSlice(tuples_, t, n);
      for (int64_t i = slice.begin; i < slice.end; ++i) {
        int64_t at = index_.offset(indices, flatOffset(i, outer, indices.dims, indices.strides));
        const char* from = nullptr;
        if (at >= 0) {
          at += flatOffset(i / perBatch_, batchDims_, data.dims, data.strides);
          from = data.as<const char>() + at * elementBytes_;
        }
        row_.write(from, to.as<char>() + flatOffset(i, outer, to.dims, to.strides) * elementBytes_, 0, 1);
      }
    };
    runParts(pool, to.count(), part);
  }

 private:
  NdIndex index_;
  int batchDims_;
  int64_t elementBytes_;
  RowCopy row_;
  int64_t tuples_ = 1, perBatch_ = 1;
};

class GatherNd : public Kernel {
 public:
  explicit GatherNd(const KernelSpec& spec) : spec_(spec) {}

  StatusOr<std::unique_ptr<PreparedKernel>> prepare(const std::vector<TensorRef>& inputs,
                                                    const std::vector<TensorRef>& outputs, const Attrs& sizeAttrs,
                                                    int) override {
    const TensorRef &data = inputs[0], &indices = inputs[1], &to = outputs[0];
    AttrReader attrs(spec_, &sizeAttrs);
    int64_t batchDims = attrs.integer("batch_dims", 0);
    SW_RETURN_IF_ERROR(attrs.status());
    int64_t length = indices.rank > 0 ? indices.dims[indices.rank - 1] : 0;
    bool fits = indices.rank >= 1 && batchDims >= 0 && batchDims < indices.rank && batchDims + length <= data.rank &&
                to.rank == indices.rank - 1 + data.rank - batchDims - length &&
                std::equal(indices.dims, indices.dims + batchDims, data.dims) &&
                std::equal(indices.dims, indices.dims + indices.rank - 1, to.dims) &&
                std::equal(data.dims + batchDims + length, data.dims + data.rank, to.dims + indices.rank - 1);
    if (!fits) {
      return stepError(spec_, "gathers from " + describe(data) + " by " + describe(indices) + " with " +
                                  std::to_string(batchDims) + " batch dims to " + describe(to) +
                                  "; the output's dims must be the indices' but the last, then those of the data that "
                                  "are not indexed");
    }
    NdIndex index = readNdIndex(attrs, data, indices, static_cast<int>(batchDims));
    SW_RETURN_IF_ERROR(attrs.status());
    return std::unique_ptr<PreparedKernel>(new PreparedGatherNd(data, indices, to, static_cast<int>(batchDims), index));
  }

 private:
  KernelSpec spec_;
};

}  // namespace

StatusOr<std::unique_ptr<Kernel>> makeGatherNdCpu(const KernelSpec& spec) {
  SW_RETURN_IF_ERROR(checkArity(spec, 2, 2, 1));
  SW_RETURN_IF_ERROR(checkNoPostOps(spec));
  AttrReader attrs(spec);
  attrs.allowOnly({"batch_dims", "extents", "offsets"});
  SW_RETURN_IF_ERROR(attrs.status());
  SW_RETURN_IF_ERROR(checkIndexedTypes(spec));
  return std::unique_ptr<Kernel>(new GatherNd(spec));
}

}  // namespace shardwright
