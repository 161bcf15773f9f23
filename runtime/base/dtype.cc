#include "runtime/base/dtype.h"

#include <cstring>

namespace shardwright {
namespace {

struct DTypeRow {
  std::string_view name;
  int bits;
};

// By the number of the type.
constexpr DTypeRow kRows[] = {
    {"undefined", 0},
    {"float32", 32},
    {"uint8", 8},
    {"int8", 8},
    {"uint16", 16},
    {"int16", 16},
    {"int32", 32},
    {"int64", 64},
    {"string", 0},
    {"bool", 8},
    {"float16", 16},
    {"float64", 64},
    {"uint32", 32},
    {"uint64", 64},
    {"complex64", 64},
    {"complex128", 128},
    {"bfloat16", 16},
    {"float8_e4m3fn", 8},
    {"float8_e4m3fnuz", 8},
    {"float8_e5m2", 8},
    {"float8_e5m2fnuz", 8},
    {"uint4", 4},
    {"int4", 4},
    {"float4_e2m1", 4},
    {"float8_e8m0", 8},
    {"uint2", 2},
    {"int2", 2},
};
constexpr int kNumRows = static_cast<int>(sizeof kRows / sizeof kRows[0]);

const DTypeRow& row(DType type) {
  int index = static_cast<int>(type);
  return kRows[index >= 0 && index < kNumRows ? index : 0];
}

}  // namespace

std::string_view dtypeName(DType type) { return row(type).name; }

std::optional<DType> dtypeFromName(std::string_view name) {
  for (int i = 1; i < kNumRows; ++i)
    if (kRows[i].name == name) return static_cast<DType>(i);
  return std::nullopt;
}

int bitWidth(DType type) { return row(type).bits; }

bool isFloat(DType type) {
  switch (type) {
    case DType::kFloat32:
    case DType::kFloat16:
    case DType::kFloat64:
    case DType::kBFloat16:
    case DType::kFloat8E4M3FN:
    case DType::kFloat8E4M3FNUZ:
    case DType::kFloat8E5M2:
    case DType::kFloat8E5M2FNUZ:
    case DType::kFloat4E2M1:
    case DType::kFloat8E8M0:
      return true;
    default:
      return false;
  }
}

bool isInteger(DType type) {
  switch (type) {
    case DType::kUint8:
    case DType::kInt8:
    case DType::kUint16:
    case DType::kInt16:
    case DType::kInt32:
    case DType::kInt64:
    case DType::kUint32:
    case DType::kUint64:
    case DType::kUint4:
    case DType::kInt4:
    case DType::kUint2:
    case DType::kInt2:
      return true;
    default:
      return false;
  }
}

int64_t byteSize(DType type, int64_t count) {
  int bits = bitWidth(type);
  return bits >= 8 ? count * (bits / 8) : (count * bits + 7) / 8;
}

DType accumulationType(DType type) {
  return type == DType::kFloat16 || type == DType::kBFloat16 ? DType::kFloat32 : type;
}

float float16ToFloat(uint16_t bits) {
  uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16, exponent = (bits >> 10) & 0x1fu,
           fraction = bits & 0x3ffu;
  uint32_t wide;
  if (exponent == 0x1f) {
    wide = sign | 0x7f800000u | (fraction << 13);
  } else if (exponent != 0) {
    wide = sign | ((exponent + 112) << 23) | (fraction << 13);
  } else {
    float magnitude = static_cast<float>(fraction) * 0x1p-24f;  // zero and subnormals, exactly
    std::memcpy(&wide, &magnitude, sizeof wide);
    wide |= sign;
  }
  float value;
  std::memcpy(&value, &wide, sizeof value);
  return value;
}

uint16_t floatToFloat16(float value) {
  uint32_t wide;
  std::memcpy(&wide, &value, sizeof wide);
  auto sign = static_cast<uint16_t>((wide >> 16) & 0x8000u);
  wide &= 0x7fffffffu;
  if (wide > 0x7f800000u) return sign | 0x7e00u | static_cast<uint16_t>((wide >> 13) & 0x1ffu);  // quiet NaN
  if (wide >= 0x477ff000u) return sign | 0x7c00u;  // rounds to 65536 or more: infinity
  if (wide < 0x38800000u) {                        // below 2^-14: the float adder rounds to a multiple of 2^-24
    float magnitude;
    std::memcpy(&magnitude, &wide, sizeof magnitude);
    magnitude += 0.5f;
    std::memcpy(&wide, &magnitude, sizeof wide);
    return sign | static_cast<uint16_t>(wide - 0x3f000000u);
  }
  uint32_t rounded = wide + 0xfffu + ((wide >> 13) & 1u);
  return sign | static_cast<uint16_t>((rounded - 0x38000000u) >> 13);
}

uint16_t floatToBfloat16(float value) {
  uint32_t wide;
  std::memcpy(&wide, &value, sizeof wide);
  if ((wide & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>((wide >> 16) | 0x40u);  // quiet NaN
  return static_cast<uint16_t>((wide + 0x7fffu + ((wide >> 16) & 1u)) >> 16);
}

}  // namespace shardwright
