#include "runtime/kernels/attention/softmax_rows.h"

#include "runtime/kernels/float_vector.h"
#include "runtime/kernels/vector_math.h"

namespace shardwright {

SW_MULTIVERSION(void, capRow, (float* x, int64_t n, float c), (x, n, c)) {
  for (int64_t i = 0; i < n; ++i) x[i] = c * fastTanh(x[i] / c);
}

SW_MULTIVERSION(void, addRow, (float* x, const float* mask, int64_t n), (x, mask, n)) {
  for (int64_t i = 0; i < n; ++i) x[i] += mask[i];
}

SW_MULTIVERSION(void, hideRow, (float* x, const uint8_t* mask, int64_t n, float value), (x, mask, n, value)) {
  for (int64_t i = 0; i < n; ++i) x[i] = mask[i] != 0 ? x[i] : value;
}

SW_MULTIVERSION_LANES(float, maxOfRow, (const float* x, int64_t n), (x, n)) {
  float best = -HUGE_VALF;
  int64_t i = 0;
  if (n >= kLanes) {
    FloatVector<kLanes> most = loadVector<kLanes>(x);
    for (i = kLanes; i + kLanes <= n; i += kLanes) {
      FloatVector<kLanes> v = loadVector<kLanes>(x + i);
      most = v > most ? v : most;
    }
    float part[kLanes];
    storeVector<kLanes>(part, most);
    for (int l = 0; l < kLanes; ++l) best = part[l] > best ? part[l] : best;
  }
  for (; i < n; ++i) best = x[i] > best ? x[i] : best;
  return best;
}

// fastExp for arguments that are 0 at most, but for rounding: one scaling will do.
SW_MULTIVERSION_LANES(float, expRow, (float* x, int64_t n, float shift), (x, n, shift)) {
  typedef typename FloatVectorOf<kLanes>::Integers Integers;
  using Vector = FloatVector<kLanes>;
  constexpr float kRound = 12582912.f;  // 1.5 * 2^23: adding it rounds to an integer
  Vector sums = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    Vector v = loadVector<kLanes>(x + i) - shift;
    Vector low = Vector{} - 87.3f;
    Vector clamped = v < low ? low : v;
    Vector shifted = clamped * 1.442695041f + kRound;
    Vector whole = shifted - kRound;
    Vector r = clamped - whole * 0.693145752f - whole * 1.428606765e-6f;
    Vector p = r * 1.381315873e-3f + 8.369411342e-3f;
    p = p * r + 4.166845605e-2f;
    p = p * r + 1.666651517e-1f;
    p = p * r + 4.999999404e-1f;
    p = p * (r * r) + (r + 1.f);
    Integers bits;
    std::memcpy(&bits, &shifted, sizeof bits);
    bits = (bits << 23) + (127 << 23);  // the whole part in the exponent's place
    Vector scale;
    std::memcpy(&scale, &bits, sizeof scale);
    Vector y = p * scale;
    y = v < low ? Vector{} : y;
    storeVector<kLanes>(x + i, y);
    sums += y;
  }
  float sum = sumLanes<kLanes>(sums);
  for (; i < n; ++i) {
    x[i] = fastExp(x[i] - shift);
    sum += x[i];
  }
  return sum;
}

SW_MULTIVERSION(void, scaleRow, (float* x, int64_t n, float factor), (x, n, factor)) {
  for (int64_t i = 0; i < n; ++i) x[i] *= factor;
}

}  // namespace shardwright
