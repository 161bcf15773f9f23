// Owns the float32 products that the processor's registers and first caches hold: the inner loops of matmul and
// attention. It does not own threads or blocking for larger caches.
#pragma once

#include <cstdint>

namespace shardwright {

// A panel of b: productPanel() columns, two vector registers, as rows of that many contiguous elements.
// A panel of a: productRows() rows, as columns of that many contiguous elements; a last panel of fewer rows is packed with
// that many. The sizes are those of this machine's registers.
int productPanel();
int productRows();
constexpr int kMaxProductPanel = 32, kMaxProductRows = 12;

// c[rows × columns] := a[rows × k] * b[k × columns], plus c before if `add`. Rows of a and c are contiguous, at strides
// aStride and cStride. b's panels lie panelStride apart, its rows bStride: a plain row-major matrix has
// panelStride == productPanel(). columns is a multiple of productPanel().
void multiplySmall(const float* a, int64_t aStride, const float* b, int64_t bStride, int64_t panelStride, float* c,
                   int64_t cStride, int64_t rows, int64_t columns, int64_t k, bool add);

// The same for one panel of b (rows productPanel() apart) and a packed a: panels lie aDepth columns apart, of which
// [aFirst, aFirst + k) are multiplied. `start`, if not null and not `add`, is a row that every row of c has added. `next` is
// the panel of b that will be used after this one: it is fetched meanwhile; null for none.
void multiplyPacked(const float* a, int64_t aDepth, int64_t aFirst, const float* b, float* c, int64_t cStride,
                    int64_t rows, int64_t k, bool add, const float* start, const float* next);

// out[j] := sum over i < k of a[i] * b[j * bStride + i] for j < count.
void dotRows(const float* a, const float* b, int64_t bStride, int64_t k, int64_t count, float* out);

// out[i] += sum over j < count of weights[j * weightStride] * b[j * bStride + i] for i < n.
void addWeightedRows(const float* weights, int64_t weightStride, const float* b, int64_t bStride, int64_t count,
                     int64_t n, float* out);

}  // namespace shardwright
