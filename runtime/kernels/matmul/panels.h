// Owns the two layouts in which matrices are multiplied: panels of rows of a, panels of columns of b. See
// small_product.h for what a panel is.
#pragma once

#include "runtime/kernels/kernel.h"

namespace shardwright {

// Writes rows [first, first + rows) of a matrix, columns [0, k), as panels of productRows() rows. `data` is the matrix's
// element (0, 0), of a type computed in float32; `buffer` has room for kPackBuffer floats.
constexpr int64_t kPackBuffer = 32 * 256;
void packRows(DType type, const void* data, int64_t rowStride, int64_t columnStride, int64_t first, int64_t rows,
              int64_t k, float* to, float* buffer);

// Writes columns [first, first + columns) of a matrix of k rows as panels of productPanel() columns, the last one filled
// up with zeros, as float32.
void packColumns(DType type, const void* data, int64_t rowStride, int64_t columnStride, int64_t first, int64_t columns,
                 int64_t k, float* to, float* buffer);

// A whole constant matrix as panels of columns in its own type: 16-bit floats stay 16 bits.
int64_t packedElements(int64_t k, int64_t n);
void packConstant(DType type, const void* data, int64_t rowStride, int64_t columnStride, int64_t k, int64_t firstPanel,
                  int64_t endPanel, int64_t n, void* to);

// Rows [first, first + k) of a packed constant's panel as float32: in place, or widened to `buffer`.
const float* constantPanel(DType type, const void* packed, int64_t panelOffset, int64_t first, int64_t k,
                           float* buffer);

}  // namespace shardwright
