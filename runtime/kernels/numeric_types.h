// Owns the C++ types of elements, for kernels that are templates over them. It does not own bulk conversion.
#pragma once

#include <limits>

#include "runtime/kernels/kernel.h"

namespace shardwright {

// 16-bit floats as values: they compute as float.
struct Float16 {
  uint16_t bits;
  Float16() = default;
  explicit Float16(float value) : bits(floatToFloat16(value)) {}
  operator float() const { return float16ToFloat(bits); }  // NOLINT
};
struct BFloat16 {
  uint16_t bits;
  BFloat16() = default;
  explicit BFloat16(float value) : bits(floatToBfloat16(value)) {}
  operator float() const { return bfloat16ToFloat(bits); }  // NOLINT
};

// What sums of T are computed in: float for 16-bit floats, the unsigned type of the same bits for integers (overflow
// wraps), else T.
template <typename T>
struct Computed {
  using Type = T;
};
template <>
struct Computed<Float16> {
  using Type = float;
};
template <>
struct Computed<BFloat16> {
  using Type = float;
};

// Calls f(T()) with the type's C++ type (bool is uint8_t); false for types without one: sub-byte, 8-bit floats, complex,
// strings.
template <typename F>
bool visitNumeric(DType type, F&& f) {
  switch (type) {
    case DType::kBool:
    case DType::kUint8:
      f(uint8_t());
      return true;
    case DType::kInt8:
      f(int8_t());
      return true;
    case DType::kUint16:
      f(uint16_t());
      return true;
    case DType::kInt16:
      f(int16_t());
      return true;
    case DType::kUint32:
      f(uint32_t());
      return true;
    case DType::kInt32:
      f(int32_t());
      return true;
    case DType::kUint64:
      f(uint64_t());
      return true;
    case DType::kInt64:
      f(int64_t());
      return true;
    case DType::kFloat32:
      f(float());
      return true;
    case DType::kFloat64:
      f(double());
      return true;
    case DType::kFloat16:
      f(Float16());
      return true;
    case DType::kBFloat16:
      f(BFloat16());
      return true;
    default:
      return false;
  }
}

inline bool isNumeric(DType type) {
  return visitNumeric(type, [](auto) {});
}

// An element of 1, 2, 4, 8 or 16 bytes that is only moved; calls f(T()) with a type of that width.
struct Bytes16 {
  uint64_t low, high;
};
template <typename F>
void visitWidth(DType type, F&& f) {
  switch (bitWidth(type)) {
    case 8:
      return f(uint8_t());
    case 16:
      return f(uint16_t());
    case 32:
      return f(uint32_t());
    case 64:
      return f(uint64_t());
    default:
      return f(Bytes16());
  }
}

// The order of ONNX's arg and top-k ops: NaN is larger than any number.
template <typename T>
bool isLess(T a, T b) {
  if constexpr (std::numeric_limits<T>::is_integer) {
    return a < b;
  } else {
    return a < b || (b != b && a == a);
  }
}

}  // namespace shardwright
