// Owns reading and writing rows of 16- and 32-bit floats as float32. It does not own arithmetic on them.
#pragma once

#include "runtime/kernels/strided.h"

namespace shardwright {

// float32, float16, bfloat16: what kernels compute in float32.
bool isComputedInFloat(DType type);

// to[i] := element at index from[first + i * stride].
void loadFloats(DType type, const void* from, int64_t first, int64_t stride, int64_t n, float* to);

// Element at to[first + i * stride] := from[i], rounded to nearest even.
void storeFloats(DType type, void* to, int64_t first, int64_t stride, int64_t n, const float* from);

// Writes the window's elements, dense and row major, as float32; part t of n.
void loadWindow(const TensorRef& from, float* to, int t, int n);

}  // namespace shardwright
