#include <algorithm>

#include "runtime/kernels/attr_reader.h"
#include "runtime/kernels/gather/kernel.h"
#include "runtime/kernels/index_reader.h"
#include "runtime/kernels/parallel.h"
#include "runtime/kernels/row_copy.h"

namespace shardwright {
namespace {

class PreparedGather : public PreparedKernel {
 public:
  PreparedGather(const TensorRef& data, const TensorRef& indices, const TensorRef& to, int axis, IndexReader reader)
      : reader_(reader),
        axis_(axis),
        elementBytes_(bitWidth(data.dtype) / 8),
        row_(trailingDims(data, axis + 1), trailingDims(to, axis + indices.rank)),
        numIndices_(indices.count()) {
    rows_ = numIndices_;
    for (int i = 0; i < axis; ++i) rows_ *= data.dims[i];
    if (row_.bytes() == 0) rows_ = 0;
  }

  void run(const TensorRef* inputs, const TensorRef* outputs, void*, ThreadPool& pool) override {
    auto part = [&](int t, int n) {
      // Few rows are cut themselves.
      if (rows_ < 4 * n) return writeRows(inputs, outputs[0], {0, rows_}, t, n);
      writeRows(inputs, outputs[0], threadSlice(rows_, t, n), 0, 1);
    };
    runParts(pool, rows_ * row_.bytes() / 4, part);
  }

 private:
  void writeRows(const TensorRef* inputs, const TensorRef& to, Slice rows, int t, int n) const {
    const TensorRef &data = inputs[0], &indices = inputs[1];
    for (int64_t r = rows.begin; r < rows.end; ++r) {
      int64_t outer = r / numIndices_, i = r % numIndices_;
      int64_t index =
          loadIndex(indices.dtype, indices.data, flatOffset(i, indices.rank, indices.dims, indices.strides));
      int64_t at = reader_.position(index);
      const char* from = nullptr;
      if (at >= 0) {
        int64_t offset = flatOffset(outer, axis_, data.dims, data.strides) + at * data.strides[axis_];
        from = data.as<const char>() + offset * elementBytes_;
      }
      int64_t offset = flatOffset(outer, axis_, to.dims, to.strides) +
                       flatOffset(i, indices.rank, to.dims + axis_, to.strides + axis_);
      row_.write(from, to.as<char>() + offset * elementBytes_, t, n);
    }
  }

  IndexReader reader_;
  int axis_;
  int64_t elementBytes_;
  RowCopy row_;
  int64_t numIndices_, rows_;
};

class Gather : public Kernel {
 public:
  explicit Gather(const KernelSpec& spec) : spec_(spec) {}

  StatusOr<std::unique_ptr<PreparedKernel>> prepare(const std::vector<TensorRef>& inputs,
                                                    const std::vector<TensorRef>& outputs, const Attrs& sizeAttrs,
                                                    int) override {
    const TensorRef &data = inputs[0], &indices = inputs[1], &to = outputs[0];
    AttrReader attrs(spec_, &sizeAttrs);
    int64_t axis = attrs.integer("axis", 0);
    SW_RETURN_IF_ERROR(attrs.status());
    bool fits = axis >= 0 && axis < data.rank && to.rank == data.rank - 1 + indices.rank;
    if (fits) {
      fits = std::equal(data.dims, data.dims + axis, to.dims) &&
             std::equal(indices.dims, indices.dims + indices.rank, to.dims + axis) &&
             std::equal(data.dims + axis + 1, data.dims + data.rank, to.dims + axis + indices.rank);
    }
    if (!fits) {
      return stepError(spec_, "gathers from " + describe(data) + " by " + describe(indices) + " along axis " +
                                  std::to_string(axis) + " to " + describe(to) +
                                  "; the output's dims must be the data's with the axis replaced by the indices' dims");
    }
    IndexReader reader{attrs.integer("extent", data.dims[axis]), attrs.integer("offset", 0), data.dims[axis]};
    SW_RETURN_IF_ERROR(attrs.status());
    return std::unique_ptr<PreparedKernel>(new PreparedGather(data, indices, to, static_cast<int>(axis), reader));
  }

 private:
  KernelSpec spec_;
};

}  // namespace

StatusOr<std::unique_ptr<Kernel>> makeGatherCpu(const KernelSpec& spec) {
  SW_RETURN_IF_ERROR(checkArity(spec, 2, 2, 1));
  SW_RETURN_IF_ERROR(checkNoPostOps(spec));
  AttrReader attrs(spec);
  attrs.allowOnly({"axis", "extent", "offset"});
  SW_RETURN_IF_ERROR(attrs.status());
  SW_RETURN_IF_ERROR(checkIndexedTypes(spec));
  return std::unique_ptr<Kernel>(new Gather(spec));
}

}  // namespace shardwright
