// Owns products of small float32 matrices that lie in cache, for kernels that multiply inside of their own loops. Large
// products are oneDNN's.
#pragma once

#include <cstdint>

namespace shardwright {

// Columns of a panel: what is computed together, two vector registers.
int productPanel();

// c[rows × columns] := a[rows × k] * b[k × columns], plus c before if `add`. Rows of a and c are contiguous, at strides
// aStride and cStride. b is made of panels of productPanel() columns: element (i, j) is at
// (j / panel) * panelStride + i * bStride + j % panel, so that a row-major matrix has panelStride == panel. columns is a
// multiple of productPanel().
void multiplySmall(const float* a, int64_t aStride, const float* b, int64_t bStride, int64_t panelStride, float* c,
                   int64_t cStride, int64_t rows, int64_t columns, int64_t k, bool add);

// out[j] := sum over i < k of a[i] * b[j * bStride + i] for j < count.
void dotRows(const float* a, const float* b, int64_t bStride, int64_t k, int64_t count, float* out);

// out[i] += sum over j < count of weights[j] * b[j * bStride + i] for i < n.
void addWeightedRows(const float* weights, const float* b, int64_t bStride, int64_t count, int64_t n, float* out);

}  // namespace shardwright
