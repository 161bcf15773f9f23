// Owns the mathematical functions of kernels' own loops: branch free, so that the compiler vectorises a loop over them.
// They are within 4 ulp of float32; coefficients are minimax fits on the intervals given.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "runtime/kernels/multiversion.h"

namespace shardwright {

// e^x; 0 below -87.3 (no denormals), infinity above 88.7.
SW_INLINE float fastExp(float x) {
  constexpr float kLog2E = 1.442695041f, kLn2High = 0.693145752f, kLn2Low = 1.428606765e-6f;
  constexpr float kRound = 12582912.f;  // 1.5 * 2^23: adding it rounds to an integer
  float clamped = x < -87.3f ? -87.3f : x > 88.7228f ? 88.7228f : x;
  float shifted = clamped * kLog2E + kRound;
  float n = shifted - kRound;
  float r = clamped - n * kLn2High - n * kLn2Low;  // |r| <= ln2 / 2
  float p = 1.381315873e-3f;
  p = p * r + 8.369411342e-3f;
  p = p * r + 4.166845605e-2f;
  p = p * r + 1.666651517e-1f;
  p = p * r + 4.999999404e-1f;
  p = p * r * r + r + 1.f;
  // Two factors, so that 2^128 * 0.5 is still reached without overflowing one exponent.
  uint32_t bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  uint32_t half = ((bits & 0x1ffu) << 23);  // n mod 512 in the exponent's place
  int32_t exponent = static_cast<int32_t>(half) >> 23;
  uint32_t low = static_cast<uint32_t>((exponent >> 1) + 127) << 23;
  uint32_t high = static_cast<uint32_t>(exponent - (exponent >> 1) + 127) << 23;
  float lowScale, highScale;
  std::memcpy(&lowScale, &low, sizeof low);
  std::memcpy(&highScale, &high, sizeof high);
  float y = p * lowScale * highScale;
  y = x > 88.7228f ? HUGE_VALF : y;
  y = x < -87.3f ? 0.f : y;
  return x != x ? x : y;
}

// e^x for x ≤ 0; 0 below -87.3. NaN gives any number.
SW_INLINE float fastExpNegative(float x) {
  constexpr float kLog2E = 1.442695041f, kLn2High = 0.693145752f, kLn2Low = 1.428606765e-6f;
  constexpr float kRound = 12582912.f;
  float clamped = x < -87.3f ? -87.3f : x;
  float shifted = clamped * kLog2E + kRound;
  float n = shifted - kRound;
  float r = clamped - n * kLn2High - n * kLn2Low;
  float p = 1.381315873e-3f;
  p = p * r + 8.369411342e-3f;
  p = p * r + 4.166845605e-2f;
  p = p * r + 1.666651517e-1f;
  p = p * r + 4.999999404e-1f;
  p = p * (r * r) + (r + 1.f);
  uint32_t bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  bits = (bits << 23) + (127u << 23);  // n in the exponent's place
  float scale;
  std::memcpy(&scale, &bits, sizeof scale);
  return x < -87.3f ? 0.f : p * scale;
}

// x · (1 + erf(x / √2)) / 2, off by 2e-7 · |x| at most: erfc(|x| / √2) is exp(|x| · P(|x|)), fitted for |x| ≤ 5.9 so that its
// error is least where it is large. It is the half of the sum that would cancel for negative x.
SW_INLINE float fastGelu(float x) {
  float a = std::fabs(x), t = a > 5.9f ? 5.9f : a;
  float p = -1.62478706e-8f;
  p = p * t + 5.0339662e-7f;
  p = p * t - 6.66528149e-6f;
  p = p * t + 4.78634029e-5f;
  p = p * t - 1.77427355e-4f;
  p = p * t - 3.12464763e-5f;
  p = p * t + 4.84981574e-3f;
  p = p * t - 3.63703966e-2f;
  p = p * t - 3.18301648e-1f;
  p = p * t - 7.9788518e-1f;
  float tail = a > 5.9f ? 0.f : 0.5f * x * fastExpNegative(p * t);
  float y = x < 0.f ? tail : x - tail;
  return x != x ? x : y;
}

SW_INLINE float fastErf(float x) {
  float a = std::fabs(x), s = x * x;
  float small = 7.8538571e-05f;  // |x| < 1: x * P(x^2)
  small = small * s - 8.01019254e-4f;
  small = small * s + 5.18832775e-3f;
  small = small * s - 2.6853811e-2f;
  small = small * s + 1.12835854e-1f;
  small = small * s - 3.7612626e-1f;
  small = (small * s + 1.28379110e-1f) * x + x;
  float t = a > 4.1f ? 4.1f : a;
  float large = -2.16976678e-05f;  // 1 <= |x| <= 4.1: 1 - exp(Q(|x|))
  large = large * t + 4.41473268e-4f;
  large = large * t - 4.2052879e-3f;
  large = large * t + 2.5210347e-2f;
  large = large * t - 1.08422108e-1f;
  large = large * t - 6.33216381e-1f;
  large = large * t - 1.12958026f;
  large = large * t + 1.88468766e-4f;
  large = std::copysign(1.f - fastExp(large), x);
  float y = a < 1.f ? small : large;
  return x != x ? x : y;
}

SW_INLINE float fastSigmoid(float x) {
  float e = fastExpNegative(-std::fabs(x));
  float y = (x < 0.f ? e : 1.f) / (1.f + e);
  return x != x ? x : y;
}

SW_INLINE float fastTanh(float x) {
  float a = std::fabs(x), s = x * x;
  float small = 2.04460323e-3f;  // |x| < 0.65: x * P(x^2)
  small = small * s - 8.06513149e-3f;
  small = small * s + 2.16526333e-2f;
  small = small * s - 5.3937234e-2f;
  small = small * s + 1.33331195e-1f;
  small = small * s - 3.33333284e-1f;
  small = small * s + 1.f;
  float large = 1.f - 2.f / (fastExp(2.f * a) + 1.f);
  return a < 0.65f ? small * x : std::copysign(large, x);
}

}  // namespace shardwright
