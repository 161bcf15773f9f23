#include "runtime/kernels/copy/transpose.h"

#include <algorithm>

#include "runtime/kernels/float_vector.h"

namespace shardwright {
namespace {

constexpr int64_t kLane = 4;     // elements of 128 bits, within which a shuffle is cheap
constexpr int64_t kAhead = 128;  // elements; the columns are too many streams for the processor to fetch by itself

// Four columns of kLanes rows: each 128-bit part of the vectors is transposed by itself.
template <int kLanes>
SW_INLINE void transposeBlock(const uint32_t* from, int64_t fromStride, uint32_t* to, int64_t toStride) {
  typedef typename FloatVectorOf<kLanes>::Integers Vector;
  Vector rows[4], pairs[4], columns[4], low, high, front, back;
  for (int c = 0; c < 4; ++c) {
    __builtin_prefetch(from + c * fromStride + kAhead);
    std::memcpy(&rows[c], from + c * fromStride, sizeof(Vector));
  }
  for (int i = 0; i < kLanes; ++i) {
    uint32_t part = static_cast<uint32_t>(i / kLane * kLane), at = static_cast<uint32_t>(i % kLane);
    low[i] = part + at / 2 + at % 2 * kLanes;
    high[i] = low[i] + 2;
    front[i] = part + at % 2 + at / 2 * kLanes;
    back[i] = front[i] + 2;
  }
  for (int half = 0; half < 2; ++half) {
    pairs[half] = __builtin_shuffle(rows[2 * half], rows[2 * half + 1], low);
    pairs[2 + half] = __builtin_shuffle(rows[2 * half], rows[2 * half + 1], high);
  }
  for (int half = 0; half < 2; ++half) {
    columns[2 * half] = __builtin_shuffle(pairs[2 * half], pairs[2 * half + 1], front);
    columns[2 * half + 1] = __builtin_shuffle(pairs[2 * half], pairs[2 * half + 1], back);
  }
  for (int part = 0; part < kLanes / kLane; ++part) {
    for (int r = 0; r < 4; ++r) {
      const char* column = reinterpret_cast<const char*>(&columns[r]) + part * kLane * sizeof(uint32_t);
      std::memcpy(to + (part * kLane + r) * toStride, column, kLane * sizeof(uint32_t));
    }
  }
}

SW_MULTIVERSION_LANES(void, transposeElements,
                      (const uint32_t* from, int64_t fromStride, uint32_t* to, int64_t toStride, int64_t rows,
                       int64_t columns),
                      (from, fromStride, to, toStride, rows, columns)) {
  int64_t r = 0;
  for (; r < rows; r += kLanes) {
    int64_t c = 0, count = std::min<int64_t>(kLanes, rows - r);
    for (; c + 4 <= columns && count == kLanes; c += 4)
      transposeBlock<kLanes>(from + c * fromStride + r, fromStride, to + r * toStride + c, toStride);
    for (; c < columns; ++c) {
      for (int64_t i = 0; i < count; ++i) to[(r + i) * toStride + c] = from[c * fromStride + r + i];
    }
  }
}

}  // namespace

void transpose32(const void* from, int64_t fromStride, void* to, int64_t toStride, int64_t rows, int64_t columns) {
  transposeElements(static_cast<const uint32_t*>(from), fromStride, static_cast<uint32_t*>(to), toStride, rows,
                    columns);
}

}  // namespace shardwright
