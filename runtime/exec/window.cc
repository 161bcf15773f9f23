#include "runtime/exec/window.h"

#include <algorithm>

namespace shardwright {
namespace {

std::string numbers(const int64_t* values, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += (i ? ", " : "") + std::to_string(values[i]);
  return "[" + text + "]";
}

Status checkInside(const Window& window, int64_t offset, int64_t count, const std::string& name) {
  int64_t lowest = offset, highest = offset;
  for (int i = 0; i < window.ref.rank; ++i) {
    if (window.ref.dims[i] < 0) return internalError("a view of '" + name + "' has a negative dim");
    if (window.ref.dims[i] == 0) return Status();
    int64_t reach = (window.ref.dims[i] - 1) * window.ref.strides[i];
    (reach < 0 ? lowest : highest) += reach;
  }
  if (lowest >= 0 && highest < count) return Status();
  return internalError("a view of '" + name + "' with offset " + std::to_string(offset) + ", dims " +
                       numbers(window.ref.dims, window.ref.rank) + " and strides " +
                       numbers(window.ref.strides, window.ref.rank) + " leaves its buffer of " + std::to_string(count) +
                       " elements");
}

}  // namespace

StatusOr<Window> windowOf(const plan::View& view, const plan::Program& program, const Sizes& sizes) {
  Window window;
  if (view.absent()) return window;
  if (view.dims_size() > kMaxRank || view.strides_size() != view.dims_size()) {
    return internalError("a view has " + std::to_string(view.dims_size()) + " dims and " +
                         std::to_string(view.strides_size()) + " strides; at most " + std::to_string(kMaxRank) +
                         " are allowed");
  }
  const plan::Buffer& buffer = program.buffers(static_cast<int>(view.buffer()));
  if (!isKnown(view, sizes)) return internalError("a size of a view of '" + buffer.name() + "' has no value yet");
  window.buffer = static_cast<int>(view.buffer());
  window.ref.dtype = static_cast<DType>(view.dtype());
  window.ref.rank = view.dims_size();
  for (int i = 0; i < window.ref.rank; ++i) {
    window.ref.dims[i] = sizes[view.dims(i)];
    window.ref.strides[i] = sizes[view.strides(i)];
  }
  int64_t offset = sizes[view.offset()];
  SW_RETURN_IF_ERROR(checkInside(window, offset, sizes[buffer.count()], buffer.name()));
  int64_t bits = offset * bitWidth(window.ref.dtype);
  if (bits % 8 != 0) return internalError("a view of '" + buffer.name() + "' begins inside a byte");
  window.byteOffset = bits / 8;
  return window;
}

int64_t bufferBytes(const plan::Buffer& buffer, const Sizes& sizes) {
  return byteSize(static_cast<DType>(buffer.dtype()), sizes[buffer.count()]);
}

StridedBlock blockOf(const Window& window) {
  static_assert(StridedBlock::kMaxDims == kMaxRank);
  StridedBlock block;
  block.rank = window.ref.rank;
  std::copy_n(window.ref.dims, kMaxRank, block.dims);
  std::copy_n(window.ref.strides, kMaxRank, block.strides);
  return block;
}

Window slicedWindow(const Window& window, int dim, int64_t begin, int64_t extent) {
  Window part = window;
  part.byteOffset += begin * window.ref.strides[dim] * bitWidth(window.ref.dtype) / 8;
  part.ref.dims[dim] = extent;
  return part;
}

bool isKnown(const plan::View& view, const Sizes& sizes) {
  bool known = true;
  forEachExpr(view, [&](uint32_t expr) { known = known && sizes[expr] != ExprTable::kUnknown; });
  return known;
}

}  // namespace shardwright
