#include "runtime/kernels/copy/strided_copy.h"

#include <algorithm>
#include <cstring>

#include "runtime/base/thread_pool.h"
#include "runtime/kernels/copy/transpose.h"

namespace shardwright {
namespace {

constexpr int64_t kTile = 16;  // 16 × 16 elements of 4 bytes: each row or column is one cache line

struct Element16 {
  uint64_t low, high;
};

template <typename T>
void copyRow(const T* from, int64_t fromStride, T* to, int64_t toStride, int64_t n) {
  if (fromStride == 1 && toStride == 1) {
    std::memcpy(to, from, n * sizeof(T));
  } else if (fromStride == 0 && toStride == 1) {
    std::fill_n(to, n, *from);
  } else {
    for (int64_t i = 0; i < n; ++i) to[i * toStride] = from[i * fromStride];
  }
}

template <typename T>
void transposeTile(const T* from, int64_t fromStride, T* to, int64_t toStride, int64_t rows, int64_t columns) {
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < columns; ++c) to[r * toStride + c] = from[c * fromStride + r];
  }
}

void transposeTile(const uint32_t* from, int64_t fromStride, uint32_t* to, int64_t toStride, int64_t rows,
                   int64_t columns) {
  transpose32(from, fromStride, to, toStride, rows, columns);
}

template <typename T>
void copyRows(const StridedDims& walk, const T* from, T* to, int t, int n) {
  int outer = walk.rank() - 1;
  int64_t row = walk.dims[outer], rows = walk.count() / row;
  const int64_t *fromStrides = walk.strides[0].data(), *toStrides = walk.strides[1].data();
  // Few long rows are cut too, into pieces of at least a page.
  int64_t pieces = rows >= 4 * n ? 1 : std::max<int64_t>(1, std::min<int64_t>(4 * n, row * sizeof(T) / 4096));
  int64_t piece = (row + pieces - 1) / pieces;
  Slice slice = threadSlice(rows * pieces, t, n);
  if (pieces == 1) {
    OffsetWalk<2> at(outer, walk.dims.data(), {fromStrides, toStrides}, slice.begin);
    for (int64_t i = slice.begin; i < slice.end; ++i, at.next()) {
      copyRow(from + at.offset(0), fromStrides[outer], to + at.offset(1), toStrides[outer], row);
    }
    return;
  }
  for (int64_t i = slice.begin; i < slice.end; ++i) {
    int64_t first = i % pieces * piece, last = std::min(row, first + piece);
    if (first >= last) continue;
    int64_t r = i / pieces;
    copyRow(from + flatOffset(r, outer, walk.dims.data(), fromStrides) + first * fromStrides[outer], fromStrides[outer],
            to + flatOffset(r, outer, walk.dims.data(), toStrides) + first * toStrides[outer], toStrides[outer],
            last - first);
  }
}

template <typename T>
void copyTransposed(const StridedDims& walk, const T* from, T* to, int t, int n) {
  int outer = walk.rank() - 2;
  int64_t rows = walk.dims[outer], columns = walk.dims[outer + 1];
  int64_t fromStride = walk.strides[0][outer + 1], toStride = walk.strides[1][outer];
  int64_t rowTiles = (rows + kTile - 1) / kTile, outerCount = walk.count() / (rows * columns);
  Slice slice = threadSlice(outerCount * rowTiles, t, n);
  for (int64_t i = slice.begin; i < slice.end; ++i) {
    const T* in = from + flatOffset(i / rowTiles, outer, walk.dims.data(), walk.strides[0].data());
    T* out = to + flatOffset(i / rowTiles, outer, walk.dims.data(), walk.strides[1].data());
    int64_t r = i % rowTiles * kTile, height = std::min(kTile, rows - r);
    for (int64_t c = 0; c < columns; c += kTile) {
      transposeTile(in + c * fromStride + r, fromStride, out + r * toStride + c, toStride, height,
                    std::min(kTile, columns - c));
    }
  }
}

// Elements that share bytes with others are copied one by one, by the first thread.
void copyNibbles(const StridedDims& walk, int bits, const uint8_t* from, uint8_t* to, int t) {
  if (t != 0) return;
  int64_t perByte = 8 / bits, count = walk.count();
  uint8_t mask = static_cast<uint8_t>((1 << bits) - 1);
  for (int64_t i = 0; i < count; ++i) {
    int64_t a = flatOffset(i, walk.rank(), walk.dims.data(), walk.strides[0].data());
    int64_t b = flatOffset(i, walk.rank(), walk.dims.data(), walk.strides[1].data());
    uint8_t value = (from[a / perByte] >> (a % perByte * bits)) & mask;
    int shift = static_cast<int>(b % perByte) * bits;
    to[b / perByte] = static_cast<uint8_t>((to[b / perByte] & ~(mask << shift)) | (value << shift));
  }
}

}  // namespace

StridedCopy::StridedCopy(const TensorRef& from, const TensorRef& to) : elementBits_(bitWidth(from.dtype)) {
  walk_ = stridedDims({&from, &to}, from.rank);
  if (walk_.count() == 0) return;
  sortDims(walk_, 1);
  mergeDims(walk_);
  if (walk_.rank() == 0) walk_ = {{1}, {{1}, {1}}};
  int last = walk_.rank() - 1;
  bool contiguous = walk_.strides[0][last] == 1 && walk_.strides[1][last] == 1;
  kind_ = Kind::kElements;
  if (contiguous) kind_ = last == 0 ? Kind::kBytes : Kind::kRows;
  if (elementBits_ < 8) {
    // A whole number of bytes is copied as bytes.
    if (kind_ != Kind::kBytes || walk_.dims[0] * elementBits_ % 8 != 0) kind_ = Kind::kNibbles;
    return;
  }
  if (contiguous || walk_.strides[1][last] != 1 || walk_.strides[0][last] == 0) return;
  for (int i = 0; i < last; ++i) {
    if (walk_.strides[0][i] != 1 || walk_.dims[i] < 4) continue;
    kind_ = Kind::kTranspose;
    auto moveToSecondLast = [&](std::vector<int64_t>& v) {
      std::rotate(v.begin() + i, v.begin() + i + 1, v.begin() + last);
    };
    moveToSecondLast(walk_.dims);
    for (auto& strides : walk_.strides) moveToSecondLast(strides);
    return;
  }
}

void StridedCopy::run(const void* from, void* to, int t, int n) const {
  if (kind_ == Kind::kNothing) return;
  if (kind_ == Kind::kNibbles) {
    return copyNibbles(walk_, elementBits_, static_cast<const uint8_t*>(from), static_cast<uint8_t*>(to), t);
  }
  if (kind_ == Kind::kBytes) {
    Slice slice = threadSlice(walk_.dims[0] * elementBits_ / 8, t, n, 64);
    if (slice.begin == slice.end) return;
    std::memcpy(static_cast<char*>(to) + slice.begin, static_cast<const char*>(from) + slice.begin,
                slice.end - slice.begin);
    return;
  }
  auto copyAs = [&](auto element) {
    using T = decltype(element);
    if (kind_ == Kind::kTranspose) {
      copyTransposed(walk_, static_cast<const T*>(from), static_cast<T*>(to), t, n);
    } else {
      copyRows(walk_, static_cast<const T*>(from), static_cast<T*>(to), t, n);
    }
  };
  switch (elementBits_) {
    case 8:
      return copyAs(uint8_t());
    case 16:
      return copyAs(uint16_t());
    case 32:
      return copyAs(uint32_t());
    case 64:
      return copyAs(uint64_t());
    default:
      return copyAs(Element16());
  }
}

}  // namespace shardwright
