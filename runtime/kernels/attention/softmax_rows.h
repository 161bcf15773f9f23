// Owns the arithmetic of attention's scores, one row of a tile of keys at a time.
#pragma once

#include <cstdint>

namespace shardwright {

// x[i] := c * tanh(x[i] / c).
void capRow(float* x, int64_t n, float c);

// x[i] += mask[i]; and the bool form: x[i] := value where mask[i] is 0.
void addRow(float* x, const float* mask, int64_t n);
void hideRow(float* x, const uint8_t* mask, int64_t n, float value);

float maxOfRow(const float* x, int64_t n);

// x[i] := e^(x[i] - shift); the sum of the results.
float expRow(float* x, int64_t n, float shift);

void scaleRow(float* x, int64_t n, float factor);

}  // namespace shardwright
