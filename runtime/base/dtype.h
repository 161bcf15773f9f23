// Owns the element types: their numbers (those of ONNX's TensorProto.DataType), names and sizes.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace shardwright {

enum class DType : int32_t {
  kUndefined = 0,
  kFloat32 = 1,
  kUint8 = 2,
  kInt8 = 3,
  kUint16 = 4,
  kInt16 = 5,
  kInt32 = 6,
  kInt64 = 7,
  kString = 8,
  kBool = 9,
  kFloat16 = 10,
  kFloat64 = 11,
  kUint32 = 12,
  kUint64 = 13,
  kComplex64 = 14,
  kComplex128 = 15,
  kBFloat16 = 16,
  kFloat8E4M3FN = 17,
  kFloat8E4M3FNUZ = 18,
  kFloat8E5M2 = 19,
  kFloat8E5M2FNUZ = 20,
  kUint4 = 21,
  kInt4 = 22,
  kFloat4E2M1 = 23,
  kFloat8E8M0 = 24,
  kUint2 = 25,
  kInt2 = 26,
};

// "float32", "int64", "bool", ...: numpy's names, with "bfloat16", "float8_e4m3fn", "int4", ... for those it lacks.
std::string_view dtypeName(DType type);
std::optional<DType> dtypeFromName(std::string_view name);

// Bits of one element: 32 for float32, 4 for int4, 8 for bool; 0 for string and undefined.
int bitWidth(DType type);
bool isFloat(DType type);
bool isInteger(DType type);  // signed or unsigned, not bool

// Bytes of `count` packed elements; sub-byte types fill bytes from the low bits up, over the whole tensor.
int64_t byteSize(DType type, int64_t count);

// float32 for float16 and bfloat16, the type itself otherwise: what a sum of this type is accumulated in.
DType accumulationType(DType type);

// Conversions of one element's bits; round to nearest even.
float float16ToFloat(uint16_t bits);
uint16_t floatToFloat16(float value);
inline float bfloat16ToFloat(uint16_t bits) {
  uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float value;
  __builtin_memcpy(&value, &wide, sizeof value);
  return value;
}
uint16_t floatToBfloat16(float value);

}  // namespace shardwright
