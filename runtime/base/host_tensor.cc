#include "runtime/base/host_tensor.h"

#include <cmath>

namespace shardwright {
namespace {

template <typename T>
double load(const void* elements, int64_t index) {
  T value;
  std::memcpy(&value, static_cast<const unsigned char*>(elements) + static_cast<size_t>(index) * sizeof(T), sizeof(T));
  return static_cast<double>(value);
}

uint16_t load16(const void* elements, int64_t index) {
  uint16_t bits;
  std::memcpy(&bits, static_cast<const unsigned char*>(elements) + index * 2, 2);
  return bits;
}

// The field of `bits` bits, sub-byte elements filling bytes from the low bits up.
unsigned field(const void* elements, int64_t index, int bits) {
  int64_t bit = index * bits;
  return (static_cast<const unsigned char*>(elements)[bit / 8] >> (bit % 8)) & ((1u << bits) - 1u);
}

int signedField(const void* elements, int64_t index, int bits) {
  auto value = static_cast<int>(field(elements, index, bits));
  return value >= 1 << (bits - 1) ? value - (1 << bits) : value;
}

// Sign, exponent and fraction, no special values: `mantissa` bits of fraction below `bits` in all.
double smallFloat(unsigned value, int bits, int mantissa, int bias) {
  unsigned fraction = value & ((1u << mantissa) - 1u);
  auto exponent = static_cast<int>((value >> mantissa) & ((1u << (bits - 1 - mantissa)) - 1u));
  double magnitude = exponent == 0 ? std::ldexp(fraction, 1 - bias - mantissa)
                                   : std::ldexp(fraction + (1u << mantissa), exponent - bias - mantissa);
  return value >> (bits - 1) ? -magnitude : magnitude;
}

double float8AsDouble(DType dtype, unsigned value) {
  switch (dtype) {
    case DType::kFloat8E4M3FN:
      return (value & 0x7fu) == 0x7fu ? NAN : smallFloat(value, 8, 3, 7);
    case DType::kFloat8E4M3FNUZ:
      return value == 0x80u ? NAN : smallFloat(value, 8, 3, 8);
    case DType::kFloat8E5M2FNUZ:
      return value == 0x80u ? NAN : smallFloat(value, 8, 2, 16);
    case DType::kFloat8E8M0:
      return value == 0xffu ? NAN : std::ldexp(1.0, static_cast<int>(value) - 127);
    default:
      break;  // E5M2 has infinities
  }
  if ((value & 0x7cu) != 0x7cu) return smallFloat(value, 8, 2, 15);
  return (value & 3u) != 0 ? NAN : (value & 0x80u) != 0 ? -INFINITY : INFINITY;
}

}  // namespace

double elementAsDouble(DType dtype, const void* elements, int64_t index) {
  switch (dtype) {
    case DType::kFloat32:
      return load<float>(elements, index);
    case DType::kFloat64:
      return load<double>(elements, index);
    case DType::kFloat16:
      return float16ToFloat(load16(elements, index));
    case DType::kBFloat16:
      return bfloat16ToFloat(load16(elements, index));
    case DType::kUint8:
    case DType::kBool:
      return load<uint8_t>(elements, index);
    case DType::kInt8:
      return load<int8_t>(elements, index);
    case DType::kUint16:
      return load<uint16_t>(elements, index);
    case DType::kInt16:
      return load<int16_t>(elements, index);
    case DType::kUint32:
      return load<uint32_t>(elements, index);
    case DType::kInt32:
      return load<int32_t>(elements, index);
    case DType::kUint64:
      return load<uint64_t>(elements, index);
    case DType::kInt64:
      return load<int64_t>(elements, index);
    case DType::kUint4:
      return field(elements, index, 4);
    case DType::kInt4:
      return signedField(elements, index, 4);
    case DType::kUint2:
      return field(elements, index, 2);
    case DType::kInt2:
      return signedField(elements, index, 2);
    case DType::kFloat4E2M1:
      return smallFloat(field(elements, index, 4), 4, 1, 1);
    case DType::kFloat8E4M3FN:
    case DType::kFloat8E4M3FNUZ:
    case DType::kFloat8E5M2:
    case DType::kFloat8E5M2FNUZ:
    case DType::kFloat8E8M0:
      return float8AsDouble(dtype, static_cast<const unsigned char*>(elements)[index]);
    default:
      return 0;
  }
}

}  // namespace shardwright
