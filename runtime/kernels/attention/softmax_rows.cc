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

SW_MULTIVERSION_LANES(float, expRow, (float* x, int64_t n, float shift), (x, n, shift)) {
  for (int64_t i = 0; i < n; ++i) x[i] = fastExp(x[i] - shift);
  FloatVector<kLanes> sums = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) sums += loadVector<kLanes>(x + i);
  float sum = sumLanes<kLanes>(sums);
  for (; i < n; ++i) sum += x[i];
  return sum;
}

SW_MULTIVERSION(void, scaleRow, (float* x, int64_t n, float factor), (x, n, factor)) {
  for (int64_t i = 0; i < n; ++i) x[i] *= factor;
}

}  // namespace shardwright
