#include "runtime/kernels/matmul/panels.h"

#include <algorithm>
#include <cstring>

#include "runtime/kernels/copy/transpose.h"
#include "runtime/kernels/float_rows.h"
#include "runtime/kernels/small_product.h"

namespace shardwright {
namespace {

constexpr int64_t kChunk = 256;  // columns of a that are widened together

// to[i * width + r] := element (r, i) for r < count and i < k, of rows that are float32 or are widened chunk by chunk.
void interleave(DType type, const void* data, int64_t at, int64_t rowStride, int64_t columnStride, int64_t count,
                int64_t k, int64_t width, float* to, float* buffer) {
  if (type == DType::kFloat32 && columnStride == 1) {
    return transpose32(static_cast<const float*>(data) + at, rowStride, to, width, k, count);
  }
  if (rowStride == 1) {
    const float* from = static_cast<const float*>(data) + at;
    if (type == DType::kFloat32 && count == kMaxProductRows) {  // so that the copy is inlined
      for (int64_t i = 0; i < k; ++i)
        std::memcpy(to + i * width, from + i * columnStride, kMaxProductRows * sizeof(float));
      return;
    }
    for (int64_t i = 0; i < k; ++i) loadFloats(type, data, at + i * columnStride, 1, count, to + i * width);
    return;
  }
  for (int64_t i = 0; i < k; i += kChunk) {
    int64_t chunk = std::min(kChunk, k - i);
    for (int64_t r = 0; r < count; ++r) {
      loadFloats(type, data, at + r * rowStride + i * columnStride, columnStride, chunk, buffer + r * kChunk);
    }
    transpose32(buffer, kChunk, to + i * width, width, chunk, count);
  }
}

template <typename T>
void packPanel(const T* from, int64_t rowStride, int64_t columnStride, int64_t columns, int64_t panel, int64_t k,
               T* to) {
  for (int64_t i = 0; i < k; ++i) {
    for (int64_t c = 0; c < columns; ++c) to[i * panel + c] = from[i * rowStride + c * columnStride];
    std::fill_n(to + i * panel + columns, panel - columns, T(0));
  }
}

}  // namespace

void packRows(DType type, const void* data, int64_t rowStride, int64_t columnStride, int64_t first, int64_t rows,
              int64_t k, float* to, float* buffer) {
  int64_t panel = productRows();
  for (int64_t r = 0; r < rows; r += panel) {
    int64_t count = std::min(panel, rows - r);
    interleave(type, data, (first + r) * rowStride, rowStride, columnStride, count, k, count, to + r * k, buffer);
  }
}

void packColumns(DType type, const void* data, int64_t rowStride, int64_t columnStride, int64_t first, int64_t columns,
                 int64_t k, float* to, float* buffer) {
  int64_t panel = productPanel();
  for (int64_t c = 0; c < columns; c += panel) {
    int64_t count = std::min(panel, columns - c);
    float* out = to + c * k;
    interleave(type, data, (first + c) * columnStride, columnStride, rowStride, count, k, panel, out, buffer);
    for (int64_t i = 0; i < k && count < panel; ++i) std::fill_n(out + i * panel + count, panel - count, 0.f);
  }
}

int64_t packedElements(int64_t k, int64_t n) {
  int64_t panel = productPanel();
  return ((n + panel - 1) / panel * panel * k + 31) / 32 * 32;
}

void packConstant(DType type, const void* data, int64_t rowStride, int64_t columnStride, int64_t k, int64_t firstPanel,
                  int64_t endPanel, int64_t n, void* to) {
  int64_t panel = productPanel();
  for (int64_t p = firstPanel; p < endPanel; ++p) {
    int64_t column = p * panel, columns = std::min(panel, n - column), at = column * columnStride;
    if (type != DType::kFloat32) {
      packPanel(static_cast<const uint16_t*>(data) + at, rowStride, columnStride, columns, panel, k,
                static_cast<uint16_t*>(to) + column * k);
    } else {
      float buffer[1];  // float32 of two strides needs none
      if (rowStride == 1 || columnStride == 1) {
        packColumns(type, data, rowStride, columnStride, column, columns, k, static_cast<float*>(to) + column * k,
                    buffer);
      } else {
        packPanel(static_cast<const float*>(data) + at, rowStride, columnStride, columns, panel, k,
                  static_cast<float*>(to) + column * k);
      }
    }
  }
}

const float* constantPanel(DType type, const void* packed, int64_t panelOffset, int64_t first, int64_t k,
                           float* buffer) {
  int64_t panel = productPanel(), at = panelOffset + first * panel;
  if (type == DType::kFloat32) return static_cast<const float*>(packed) + at;
  loadFloats(type, packed, at, 1, k * panel, buffer);
  return buffer;
}

}  // namespace shardwright
