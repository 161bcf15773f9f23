#include "runtime/kernels/float_rows.h"

#include <cstring>

#include "runtime/kernels/multiversion.h"

namespace shardwright {
namespace {

// The bits of the float32 equal to a float16. Shifting the exponent's place by 13 leaves it 112 too small, which a
// multiplication by 2^112 mends, for denormals too.
SW_INLINE float widenHalf(uint16_t half) {
  uint32_t bits = static_cast<uint32_t>(half & 0x7fff) << 13;
  float magnitude;
  std::memcpy(&magnitude, &bits, sizeof magnitude);
  magnitude *= 5.192296858534828e33f;
  std::memcpy(&bits, &magnitude, sizeof bits);
  bits |= (half & 0x7c00) == 0x7c00 ? 0x7f800000u : 0u;
  bits |= static_cast<uint32_t>(half & 0x8000) << 16;
  std::memcpy(&magnitude, &bits, sizeof magnitude);
  return magnitude;
}

SW_INLINE uint16_t narrowBrain(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  return static_cast<uint16_t>(value != value ? (bits >> 16) | 0x40 : rounded);
}

SW_MULTIVERSION(void, widenHalves, (const uint16_t* from, int64_t n, float* to), (from, n, to)) {
  for (int64_t i = 0; i < n; ++i) to[i] = widenHalf(from[i]);
}

SW_MULTIVERSION(void, widenBrains, (const uint16_t* from, int64_t n, float* to), (from, n, to)) {
  for (int64_t i = 0; i < n; ++i) to[i] = bfloat16ToFloat(from[i]);
}

SW_MULTIVERSION(void, narrowBrains, (const float* from, int64_t n, uint16_t* to), (from, n, to)) {
  for (int64_t i = 0; i < n; ++i) to[i] = narrowBrain(from[i]);
}

}  // namespace

bool isComputedInFloat(DType type) {
  return type == DType::kFloat32 || type == DType::kFloat16 || type == DType::kBFloat16;
}

void loadFloats(DType type, const void* from, int64_t first, int64_t stride, int64_t n, float* to) {
  if (type == DType::kFloat32) {
    const float* in = static_cast<const float*>(from) + first;
    if (stride == 1) {
      std::memcpy(to, in, n * sizeof(float));
    } else {
      for (int64_t i = 0; i < n; ++i) to[i] = in[i * stride];
    }
    return;
  }
  const uint16_t* in = static_cast<const uint16_t*>(from) + first;
  bool half = type == DType::kFloat16;
  if (stride == 1) return half ? widenHalves(in, n, to) : widenBrains(in, n, to);
  for (int64_t i = 0; i < n; ++i) to[i] = half ? widenHalf(in[i * stride]) : bfloat16ToFloat(in[i * stride]);
}

void storeFloats(DType type, void* to, int64_t first, int64_t stride, int64_t n, const float* from) {
  if (type == DType::kFloat32) {
    float* out = static_cast<float*>(to) + first;
    if (stride == 1) {
      std::memcpy(out, from, n * sizeof(float));
      return;
    }
    for (int64_t i = 0; i < n; ++i) out[i * stride] = from[i];
    return;
  }
  uint16_t* out = static_cast<uint16_t*>(to) + first;
  if (type == DType::kBFloat16 && stride == 1) return narrowBrains(from, n, out);
  bool half = type == DType::kFloat16;
  for (int64_t i = 0; i < n; ++i) out[i * stride] = half ? floatToFloat16(from[i]) : narrowBrain(from[i]);
}

void loadWindow(const TensorRef& from, float* to, int t, int n) {
  int outer = from.rank - 1;
  if (outer < 0) {
    if (t == 0) loadFloats(from.dtype, from.data, 0, 1, 1, to);
    return;
  }
  int64_t row = from.dims[outer], count = from.count();
  if (count == 0) return;
  Slice slice = threadSlice(count / row, t, n);
  for (int64_t r = slice.begin; r < slice.end; ++r) {
    loadFloats(from.dtype, from.data, flatOffset(r, outer, from.dims, from.strides), from.strides[outer], row,
               to + r * row);
  }
}

}  // namespace shardwright
