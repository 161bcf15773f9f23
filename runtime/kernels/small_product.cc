#include "runtime/kernels/small_product.h"

#include <algorithm>

#include "runtime/kernels/float_vector.h"

namespace shardwright {
namespace {

// As many rows as leave registers for two vectors of b and a broadcast element of a: of 32 registers, or 16.
template <int kLanes>
constexpr int kRows = kLanes == 16 ? 12 : 6;

// What a product fetches for the one after it: every kStep rows of b, `lines` cache lines from `at` on.
struct Prefetch {
  const float* at = nullptr;
  int lines = 0;
};
constexpr int64_t kStep = 4, kLineFloats = 16;

// Where sums begin: at what c holds, at a row that is the same for all rows of c, or at 0.
struct Start {
  bool add = false;
  const float* row = nullptr;

  template <int kLanes>
  SW_INLINE FloatVector<kLanes> at(const float* c, int64_t column) const {
    return add ? loadVector<kLanes>(c + column) : row ? loadVector<kLanes>(row + column) : FloatVector<kLanes>{};
  }
};

// Element (r, i) of a is at a[r * rowStride + i], or packed at a[i * kCount + r].
template <int kLanes, int kCount, bool kPacked>
SW_INLINE void multiplyRows(const float* a, int64_t rowStride, const float* b, int64_t bStride, float* c,
                            int64_t cStride, int64_t k, Start start, Prefetch next) {
  FloatVector<kLanes> sums[kCount][2];
#pragma GCC unroll 12
  for (int r = 0; r < kCount; ++r) {
    sums[r][0] = start.at<kLanes>(c + r * cStride, 0);
    sums[r][1] = start.at<kLanes>(c + r * cStride, kLanes);
  }
  auto multiplyOne = [&](int64_t i) SW_INLINE_LAMBDA {
    FloatVector<kLanes> low = loadVector<kLanes>(b + i * bStride), high = loadVector<kLanes>(b + i * bStride + kLanes);
#pragma GCC unroll 12
    for (int r = 0; r < kCount; ++r) {
      float factor = kPacked ? a[i * kCount + r] : a[r * rowStride + i];
      sums[r][0] += factor * low;
      sums[r][1] += factor * high;
    }
  };
  int64_t i = 0;
  for (; i + kStep <= k; i += kStep) {
    for (int line = 0; line < next.lines; ++line) {
      __builtin_prefetch(next.at);
      next.at += kLineFloats;
    }
#pragma GCC unroll 4
    for (int64_t u = 0; u < kStep; ++u) multiplyOne(i + u);
  }
  for (; i < k; ++i) multiplyOne(i);
#pragma GCC unroll 12
  for (int r = 0; r < kCount; ++r) {
    storeVector<kLanes>(c + r * cStride, sums[r][0]);
    storeVector<kLanes>(c + r * cStride + kLanes, sums[r][1]);
  }
}

// One or two rows: more sums than rows, so that additions need not wait for each other.
template <int kLanes, int kCount>
SW_INLINE void multiplyFewRows(const float* a, const float* b, float* c, int64_t cStride, int64_t k, Start start) {
  constexpr int kUnroll = 4;
  constexpr int64_t kAhead = 1024;  // floats; what the memory delivers in the time that it takes to answer
  FloatVector<kLanes> sums[kCount][kUnroll][2] = {};
  int64_t i = 0;
  for (; i + kUnroll <= k; i += kUnroll) {
#pragma GCC unroll 4
    for (int u = 0; u < kUnroll; ++u) {
      __builtin_prefetch(b + (i + u) * 2 * kLanes + kAhead);
      if (kLanes == 16) __builtin_prefetch(b + (i + u) * 2 * kLanes + kAhead + kLineFloats);
      FloatVector<kLanes> low = loadVector<kLanes>(b + (i + u) * 2 * kLanes);
      FloatVector<kLanes> high = loadVector<kLanes>(b + (i + u) * 2 * kLanes + kLanes);
#pragma GCC unroll 2
      for (int r = 0; r < kCount; ++r) {
        sums[r][u][0] += a[(i + u) * kCount + r] * low;
        sums[r][u][1] += a[(i + u) * kCount + r] * high;
      }
    }
  }
  for (; i < k; ++i) {
    for (int r = 0; r < kCount; ++r) {
      sums[r][0][0] += a[i * kCount + r] * loadVector<kLanes>(b + i * 2 * kLanes);
      sums[r][0][1] += a[i * kCount + r] * loadVector<kLanes>(b + i * 2 * kLanes + kLanes);
    }
  }
  for (int r = 0; r < kCount; ++r) {
    for (int v = 0; v < 2; ++v) {
      FloatVector<kLanes> sum = (sums[r][0][v] + sums[r][1][v]) + (sums[r][2][v] + sums[r][3][v]);
      float* to = c + r * cStride + v * kLanes;
      storeVector<kLanes>(to, start.at<kLanes>(c + r * cStride, v * kLanes) + sum);
    }
  }
}

// multiplyRows for a number of rows known only at run time.
template <int kLanes, int kCount, bool kPacked>
SW_INLINE void multiplyUpTo(int64_t rows, const float* a, int64_t aStride, const float* b, int64_t bStride, float* c,
                            int64_t cStride, int64_t k, Start start, Prefetch next) {
  if (rows == kCount) return multiplyRows<kLanes, kCount, kPacked>(a, aStride, b, bStride, c, cStride, k, start, next);
  if constexpr (kCount > 1) {
    multiplyUpTo<kLanes, kCount - 1, kPacked>(rows, a, aStride, b, bStride, c, cStride, k, start, next);
  }
}

}  // namespace

int productPanel() { return isaLevel() == IsaLevel::kAvx512 ? 32 : isaLevel() == IsaLevel::kAvx2 ? 16 : 8; }

int productRows() { return isaLevel() == IsaLevel::kAvx512 ? 12 : 6; }

SW_MULTIVERSION_LANES(void, multiplySmall,
                      (const float* a, int64_t aStride, const float* b, int64_t bStride, int64_t panelStride, float* c,
                       int64_t cStride, int64_t rows, int64_t columns, int64_t k, bool add),
                      (a, aStride, b, bStride, panelStride, c, cStride, rows, columns, k, add)) {
  constexpr int kPanel = 2 * kLanes;
  for (int64_t j = 0; j < columns; j += kPanel) {
    const float* panel = b + j / kPanel * panelStride;
    for (int64_t r = 0; r < rows; r += kRows<kLanes>) {
      multiplyUpTo<kLanes, kRows<kLanes>, false>(std::min<int64_t>(kRows<kLanes>, rows - r), a + r * aStride, aStride,
                                                 panel, bStride, c + r * cStride + j, cStride, k, Start{add, nullptr},
                                                 Prefetch());
    }
  }
}

SW_MULTIVERSION_LANES(void, multiplyPacked,
                      (const float* a, int64_t aDepth, int64_t aFirst, const float* b, float* c, int64_t cStride,
                       int64_t rows, int64_t k, bool add, const float* start, const float* next),
                      (a, aDepth, aFirst, b, c, cStride, rows, k, add, start, next)) {
  Start from = {add, start};
  if (rows == 1) return multiplyFewRows<kLanes, 1>(a + aFirst, b, c, cStride, k, from);
  if (rows == 2) return multiplyFewRows<kLanes, 2>(a + aFirst * 2, b, c, cStride, k, from);
  // The panels of a share the fetching of the next panel of b, as large as this one.
  constexpr int kLinesPerStep = kStep * 2 * kLanes / kLineFloats;
  int panels = static_cast<int>((rows + kRows<kLanes> - 1) / kRows<kLanes>);
  Prefetch prefetch = {next, next == nullptr ? 0 : (kLinesPerStep + panels - 1) / panels};
  for (int64_t r = 0; r < rows; r += kRows<kLanes>) {
    int64_t count = std::min<int64_t>(kRows<kLanes>, rows - r);
    multiplyUpTo<kLanes, kRows<kLanes>, true>(count, a + r * aDepth + aFirst * count, 0, b, 2 * kLanes, c + r * cStride,
                                              cStride, k, from, prefetch);
    if (prefetch.lines > 0) prefetch.at += k / kStep * prefetch.lines * kLineFloats;
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
                      (const float* weights, int64_t weightStride, const float* b, int64_t bStride, int64_t count,
                       int64_t n, float* out),
                      (weights, weightStride, b, bStride, count, n, out)) {
  int64_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
    FloatVector<kLanes> sums[4];
    for (int v = 0; v < 4; ++v) sums[v] = loadVector<kLanes>(out + i + v * kLanes);
    for (int64_t j = 0; j < count; ++j) {
      float weight = weights[j * weightStride];
      for (int v = 0; v < 4; ++v) sums[v] += weight * loadVector<kLanes>(b + j * bStride + i + v * kLanes);
    }
    for (int v = 0; v < 4; ++v) storeVector<kLanes>(out + i + v * kLanes, sums[v]);
  }
  for (int64_t j = 0; j < count; ++j) {
    float weight = weights[j * weightStride];
    for (int64_t rest = i; rest < n; ++rest) out[rest] += weight * b[j * bStride + rest];
  }
}

}  // namespace shardwright
