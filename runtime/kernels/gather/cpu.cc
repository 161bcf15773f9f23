#include <algorithm>
#include <cstring>

#include "runtime/kernels/attr_reader.h"
#include "runtime/kernels/copy/strided_copy.h"
#include "runtime/kernels/gather/kernel.h"
#include "runtime/kernels/index_reader.h"

namespace shardwright {
namespace {

constexpr int64_t kSmallBytes = 32 << 10;  // below it, waking other threads costs more than it saves
alignas(16) constexpr char kZero[16] = {};

// One row is what one index selects: the dims behind the axis.
struct Row {
  StridedCopy copy, clear;
  int64_t bytes = 0;
  bool contiguous = false;

  Row() = default;
  Row(const TensorRef& from, const TensorRef& to) : copy(from, to) {
    TensorRef zero = from;
    std::fill_n(zero.strides, zero.rank, 0);
    clear = StridedCopy(zero, to);
    bytes = byteSize(from.dtype, from.count());
    contiguous = isDense(from) && isDense(to);
  }
  // Writes part t of n; a null `from` stands for zeros.
  void write(const char* from, char* to, int t, int n) const {
    if (contiguous && n == 1) {
      if (from != nullptr) {
        std::memcpy(to, from, bytes);
      } else {
        std::memset(to, 0, bytes);
      }
    } else if (from != nullptr) {
      copy.run(from, to, t, n);
    } else {
      clear.run(kZero, to, t, n);
    }
  }
};

TensorRef dimsFrom(const TensorRef& tensor, int first) {
  TensorRef rest;
  rest.dtype = tensor.dtype;
  rest.rank = tensor.rank - first;
  std::copy_n(tensor.dims + first, rest.rank, rest.dims);
  std::copy_n(tensor.strides + first, rest.rank, rest.strides);
  return rest;
}

class PreparedGather : public PreparedKernel {
 public:
  PreparedGather(const TensorRef& data, const TensorRef& indices, const TensorRef& to, int axis, IndexReader reader)
      : reader_(reader),
        axis_(axis),
        elementBytes_(bitWidth(data.dtype) / 8),
        row_(dimsFrom(data, axis + 1), dimsFrom(to, axis + indices.rank)),
        numIndices_(indices.count()) {
    rows_ = numIndices_;
    for (int i = 0; i < axis; ++i) rows_ *= data.dims[i];
    if (row_.bytes == 0) rows_ = 0;
  }

  void run(const TensorRef* inputs, const TensorRef* outputs, void*, ThreadPool& pool) override {
    if (rows_ * row_.bytes <= kSmallBytes) return writeRows(inputs, outputs[0], {0, rows_}, 0, 1);
    auto part = [&](int t, int n) {
      // Few rows are cut themselves.
      if (rows_ < 4 * n) return writeRows(inputs, outputs[0], {0, rows_}, t, n);
      writeRows(inputs, outputs[0], threadSlice(rows_, t, n), 0, 1);
    };
    pool.run(part);
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
  Row row_;
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
  if (bitWidth(spec.inputs[0]) < 8 || spec.inputs[0] != spec.outputs[0] || !isIndexType(spec.inputs[1])) {
    return stepError(spec, "gathers " + std::string(dtypeName(spec.inputs[0])) + " by " +
                               std::string(dtypeName(spec.inputs[1])) + " to " +
                               std::string(dtypeName(spec.outputs[0])) +
                               "; data and output must have one type of at least a byte, indices int32 or int64");
  }
  return std::unique_ptr<Kernel>(new Gather(spec));
}

}  // namespace shardwright
