// Owns transposing one tile of 4-byte elements that fits in cache.
#pragma once

#include <cstdint>

namespace shardwright {

// to[r * toStride + c] = from[c * fromStride + r] for r < rows, c < columns; strides in elements.
void transpose32(const void* from, int64_t fromStride, void* to, int64_t toStride, int64_t rows, int64_t columns);

}  // namespace shardwright
