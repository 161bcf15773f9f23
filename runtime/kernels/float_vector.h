// Owns vectors of floats in GCC's vector extension, by number of lanes, for bodies of SW_MULTIVERSION_LANES.
#pragma once

#include <cstdint>
#include <cstring>

#include "runtime/kernels/multiversion.h"

// The functions below are always inlined: how vectors would be passed does not matter.
#pragma GCC diagnostic ignored "-Wpsabi"

namespace shardwright {

template <int kLanes>
struct FloatVectorOf;
template <>
struct FloatVectorOf<4> {
  typedef float Type __attribute__((vector_size(16)));
  typedef uint32_t Integers __attribute__((vector_size(16)));
};
template <>
struct FloatVectorOf<8> {
  typedef float Type __attribute__((vector_size(32)));
  typedef uint32_t Integers __attribute__((vector_size(32)));
};
template <>
struct FloatVectorOf<16> {
  typedef float Type __attribute__((vector_size(64)));
  typedef uint32_t Integers __attribute__((vector_size(64)));
};
template <int kLanes>
using FloatVector = typename FloatVectorOf<kLanes>::Type;

template <int kLanes>
SW_INLINE FloatVector<kLanes> loadVector(const float* from) {
  FloatVector<kLanes> v;
  std::memcpy(&v, from, sizeof v);
  return v;
}
template <int kLanes>
SW_INLINE void storeVector(float* to, FloatVector<kLanes> v) {
  std::memcpy(to, &v, sizeof v);
}
template <int kLanes>
SW_INLINE float sumLanes(FloatVector<kLanes> v) {
  float part[kLanes];
  std::memcpy(part, &v, sizeof v);
  for (int width = kLanes / 2; width > 0; width /= 2) {
    for (int i = 0; i < width; ++i) part[i] += part[i + width];
  }
  return part[0];
}

}  // namespace shardwright
