#include "runtime/kernels/small_product.h"

#include <algorithm>

#include "runtime/kernels/float_vector.h"

namespace shardwright {
namespace {

// As many rows as leave registers for two vectors of b and a broadcast element of a: of 32 registers, or 16.
template <int kLanes>
constexpr int kRows = kLanes == 16 ? 12 : 6;

template <int kLanes, int kCount>
SW_INLINE void multiplyRows(const float* a, int64_t aStride, const float* b, int64_t bStride, float* c, int64_t cStride,
                            int64_t k, bool add) {
  FloatVector<kLanes> sums[kCount][2];
#pragma GCC unroll 12
  for (int r = 0; r < kCount; ++r) {
    sums[r][0] = add ? loadVector<kLanes>(c + r * cStride) : FloatVector<kLanes>{};
    sums[r][1] = add ? loadVector<kLanes>(c + r * cStride + kLanes) : FloatVector<kLanes>{};
  }
  for (int64_t i = 0; i < k; ++i) {
    FloatVector<kLanes> low = loadVector<kLanes>(b + i * bStride), high = loadVector<kLanes>(b + i * bStride + kLanes);
#pragma GCC unroll 12
    for (int r = 0; r < kCount; ++r) {
      float factor = a[r * aStride + i];
      sums[r][0] += factor * low;
      sums[r][1] += factor * high;
    }
  }
#pragma GCC unroll 12
  for (int r = 0; r < kCount; ++r) {
    storeVector<kLanes>(c + r * cStride, sums[r][0]);
    storeVector<kLanes>(c + r * cStride + kLanes, sums[r][1]);
  }
}

// multiplyRows for a number of rows known only at run time.
template <int kLanes, int kCount>
SW_INLINE void multiplyUpTo(int64_t rows, const float* a, int64_t aStride, const float* b, int64_t bStride, float* c,
                            int64_t cStride, int64_t k, bool add) {
  if (rows == kCount) return multiplyRows<kLanes, kCount>(a, aStride, b, bStride, c, cStride, k, add);
  if constexpr (kCount > 1) multiplyUpTo<kLanes, kCount - 1>(rows, a, aStride, b, bStride, c, cStride, k, add);
}

}  // namespace

int productPanel() { return isaLevel() == IsaLevel::kAvx512 ? 32 : isaLevel() == IsaLevel::kAvx2 ? 16 : 8; }

SW_MULTIVERSION_LANES(void, multiplySmall,
                      (const float* a, int64_t aStride, const float* b, int64_t bStride, int64_t panelStride, float* c,
                       int64_t cStride, int64_t rows, int64_t columns, int64_t k, bool add),
                      (a, aStride, b, bStride, panelStride, c, cStride, rows, columns, k, add)) {
  constexpr int kPanel = 2 * kLanes;
  for (int64_t j = 0; j < columns; j += kPanel) {
    const float* panel = b + j / kPanel * panelStride;
    for (int64_t r = 0; r < rows; r += kRows<kLanes>) {
      multiplyUpTo<kLanes, kRows<kLanes>>(std::min<int64_t>(kRows<kLanes>, rows - r), a + r * aStride, aStride, panel,
                                          bStride, c + r * cStride + j, cStride, k, add);
    }
  }
}

SW_MULTIVERSION_LANES(void, dotRows,
                      (const float* a, const float* b, int64_t bStride, int64_t k, int64_t count, float* out),
                      (a, b, bStride, k, count, out)) {
  for (int64_t j = 0; j < count; ++j) {
    const float* row = b + j * bStride;
    FloatVector<kLanes> sums[2] = {};
    int64_t i = 0;
    for (; i + 2 * kLanes <= k; i += 2 * kLanes) {
      sums[0] += loadVector<kLanes>(a + i) * loadVector<kLanes>(row + i);
      sums[1] += loadVector<kLanes>(a + i + kLanes) * loadVector<kLanes>(row + i + kLanes);
    }
    float sum = sumLanes<kLanes>(sums[0] + sums[1]);
    for (; i < k; ++i) sum += a[i] * row[i];
    out[j] = sum;
  }
}

SW_MULTIVERSION_LANES(void, addWeightedRows,
                      (const float* weights, const float* b, int64_t bStride, int64_t count, int64_t n, float* out),
                      (weights, b, bStride, count, n, out)) {
  int64_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
    FloatVector<kLanes> sums[4];
    for (int v = 0; v < 4; ++v) sums[v] = loadVector<kLanes>(out + i + v * kLanes);
    for (int64_t j = 0; j < count; ++j) {
      for (int v = 0; v < 4; ++v) sums[v] += weights[j] * loadVector<kLanes>(b + j * bStride + i + v * kLanes);
    }
    for (int v = 0; v < 4; ++v) storeVector<kLanes>(out + i + v * kLanes, sums[v]);
  }
  for (int64_t j = 0; j < count; ++j) {
    for (int64_t rest = i; rest < n; ++rest) out[rest] += weights[j] * b[j * bStride + rest];
  }
}

}  // namespace shardwright
