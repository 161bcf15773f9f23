// What each scalar operation means.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "compiler/codegen/scalar_op.h"
#include "tests/unit/compiler/codegen/reference.h"

namespace shardwright::testing {

int64_t wrap(int64_t value, DType type) {
  int spare = 64 - bitWidth(type);
  uint64_t up = static_cast<uint64_t>(value) << spare;
  return isSignedInteger(type) ? static_cast<int64_t>(up) >> spare : static_cast<int64_t>(up >> spare);
}

double roundTo(double value, DType type) {
  if (type == DType::kFloat64 || std::isnan(value)) return value;
  if (type == DType::kFloat32) return static_cast<float>(value);
  // Round to odd first, so that the two roundings are one.
  float near = static_cast<float>(value);
  if (near != value && std::isfinite(value)) {
    uint32_t bits;
    std::memcpy(&bits, &near, 4);
    if (std::fabs(near) > std::fabs(value)) --bits;
    bits |= 1;
    std::memcpy(&near, &bits, 4);
  }
  return type == DType::kFloat16 ? float16ToFloat(floatToFloat16(near)) : bfloat16ToFloat(floatToBfloat16(near));
}

namespace {

template <typename T>
int64_t readAs(const void* base, int64_t index) {
  T value;
  std::memcpy(&value, static_cast<const char*>(base) + index * sizeof(T), sizeof(T));
  return static_cast<int64_t>(value);
}

double sigmoid(double x) { return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x)); }

double unaryReal(ScalarOp op, double x) {
  switch (op) {
    case ScalarOp::kNeg:
      return -x;
    case ScalarOp::kAbs:
      return std::fabs(x);
    case ScalarOp::kSqrt:
      return std::sqrt(x);
    case ScalarOp::kReciprocal:
      return 1 / x;
    case ScalarOp::kExp:
      return std::exp(x);
    case ScalarOp::kLog:
      return std::log(x);
    case ScalarOp::kErf:
      return std::erf(x);
    case ScalarOp::kTanh:
      return std::tanh(x);
    case ScalarOp::kSin:
      return std::sin(x);
    case ScalarOp::kCos:
      return std::cos(x);
    case ScalarOp::kTan:
      return std::tan(x);
    case ScalarOp::kAsin:
      return std::asin(x);
    case ScalarOp::kAcos:
      return std::acos(x);
    case ScalarOp::kAtan:
      return std::atan(x);
    case ScalarOp::kSinh:
      return std::sinh(x);
    case ScalarOp::kCosh:
      return std::cosh(x);
    case ScalarOp::kAsinh:
      return std::asinh(x);
    case ScalarOp::kAcosh:
      return std::acosh(x);
    case ScalarOp::kAtanh:
      return std::atanh(x);
    case ScalarOp::kSigmoid:
      return sigmoid(x);
    case ScalarOp::kFloor:
      return std::floor(x);
    case ScalarOp::kCeil:
      return std::ceil(x);
    case ScalarOp::kRound:
      return std::nearbyint(x);
    case ScalarOp::kSign:
      return std::isnan(x) ? x : (x > 0) - (x < 0);
    default:
      ADD_FAILURE() << "no float operation";
      return 0;
  }
}

double binaryReal(ScalarOp op, double x, double y) {
  switch (op) {
    case ScalarOp::kAdd:
      return x + y;
    case ScalarOp::kSub:
      return x - y;
    case ScalarOp::kMul:
      return x * y;
    case ScalarOp::kDiv:
      return x / y;
    case ScalarOp::kFMod:
      return std::fmod(x, y);
    case ScalarOp::kMod: {
      double rest = std::fmod(x, y);
      return rest != 0 && (rest < 0) != (y < 0) ? rest + y : rest;
    }
    case ScalarOp::kPow:
      return std::pow(x, y);
    case ScalarOp::kMin:
      return std::isnan(x) || std::isnan(y) ? std::nan("") : std::fmin(x, y);
    case ScalarOp::kMax:
      return std::isnan(x) || std::isnan(y) ? std::nan("") : std::fmax(x, y);
    default:
      ADD_FAILURE() << "no float operation";
      return 0;
  }
}

int64_t power(int64_t x, int64_t y, bool isSigned) {
  if (isSigned && y < 0) return x == 1 ? 1 : x == -1 ? (y % 2 != 0 ? -1 : 1) : 0;
  uint64_t result = 1, square = static_cast<uint64_t>(x);
  for (uint64_t left = static_cast<uint64_t>(y); left != 0; left >>= 1, square *= square) {
    if (left & 1) result *= square;
  }
  return static_cast<int64_t>(result);
}

int64_t divide(int64_t x, int64_t y, bool isSigned) {
  if (y == 0) return 0;
  if (!isSigned) return static_cast<int64_t>(static_cast<uint64_t>(x) / static_cast<uint64_t>(y));
  return y == -1 ? static_cast<int64_t>(0 - static_cast<uint64_t>(x)) : x / y;
}

}  // namespace

int64_t binaryWhole(ScalarOp op, int64_t x, int64_t y, DType type) {
  bool isSigned = isSignedInteger(type);
  auto u = [](int64_t v) { return static_cast<uint64_t>(v); };
  bool less = isSigned ? x < y : u(x) < u(y);
  switch (op) {
    case ScalarOp::kAdd:
      return static_cast<int64_t>(u(x) + u(y));
    case ScalarOp::kSub:
      return static_cast<int64_t>(u(x) - u(y));
    case ScalarOp::kMul:
      return static_cast<int64_t>(u(x) * u(y));
    case ScalarOp::kDiv:
      return divide(x, y, isSigned);
    case ScalarOp::kFMod:
    case ScalarOp::kMod: {
      if (y == 0) return 0;
      int64_t rest = static_cast<int64_t>(u(x) - u(divide(x, y, isSigned)) * u(y));
      return op == ScalarOp::kMod && isSigned && rest != 0 && (rest < 0) != (y < 0) ? rest + y : rest;
    }
    case ScalarOp::kPow:
      return power(x, y, isSigned);
    case ScalarOp::kMin:
      return less ? x : y;
    case ScalarOp::kMax:
      return less ? y : x;
    case ScalarOp::kAnd:
    case ScalarOp::kBitAnd:
      return x & y;
    case ScalarOp::kOr:
    case ScalarOp::kBitOr:
      return x | y;
    case ScalarOp::kXor:
    case ScalarOp::kBitXor:
      return x ^ y;
    case ScalarOp::kShiftLeft:
      return u(y) >= static_cast<uint64_t>(bitWidth(type)) ? 0 : static_cast<int64_t>(u(x) << y);
    case ScalarOp::kShiftRight:
      if (isSigned) return x >> (y < 0 || y >= bitWidth(type) ? bitWidth(type) - 1 : y);
      return u(y) >= static_cast<uint64_t>(bitWidth(type)) ? 0 : static_cast<int64_t>(u(x) >> y);
    default:
      ADD_FAILURE() << "no integer operation";
      return 0;
  }
}

namespace {

bool compare(ScalarOp op, Scalar x, Scalar y, DType type) {
  auto by = [op](auto a, auto b) {
    switch (op) {
      case ScalarOp::kEqual:
        return a == b;
      case ScalarOp::kLess:
        return a < b;
      case ScalarOp::kLessOrEqual:
        return a <= b;
      case ScalarOp::kGreater:
        return a > b;
      default:
        return a >= b;
    }
  };
  if (isFloat(type)) return by(x.real, y.real);
  if (isSignedInteger(type)) return by(x.whole, y.whole);
  return by(static_cast<uint64_t>(x.whole), static_cast<uint64_t>(y.whole));
}

int64_t saturate(double x, DType type) {
  if (std::isnan(x)) return 0;
  int bits = bitWidth(type);
  double low = isSignedInteger(type) ? -std::ldexp(1, bits - 1) : 0;
  double high = std::ldexp(1, isSignedInteger(type) ? bits - 1 : bits);
  x = std::trunc(x);
  if (x < low) x = low;
  if (x >= high) return wrap(isSignedInteger(type) ? static_cast<int64_t>((1ull << (bits - 1)) - 1) : -1, type);
  return type == DType::kUint64 ? static_cast<int64_t>(static_cast<uint64_t>(x)) : static_cast<int64_t>(x);
}

Scalar castTo(Scalar x, DType from, DType to) {
  if (isFloat(from)) {
    if (isFloat(to)) return {roundTo(x.real, to), 0};
    if (to == DType::kBool) return {0, x.real != 0};
    return {0, saturate(x.real, to)};
  }
  if (isFloat(to)) {
    bool isUnsigned64 = from == DType::kUint64;
    if (to == DType::kFloat32) {
      return {isUnsigned64 ? static_cast<float>(static_cast<uint64_t>(x.whole)) : static_cast<float>(x.whole), 0};
    }
    return {
        roundTo(isUnsigned64 ? static_cast<double>(static_cast<uint64_t>(x.whole)) : static_cast<double>(x.whole), to),
        0};
  }
  return {0, to == DType::kBool ? x.whole != 0 : wrap(x.whole, to)};
}

}  // namespace

Scalar readElement(const void* base, int64_t index, DType type) {
  switch (type) {
    case DType::kFloat32: {
      float value;
      std::memcpy(&value, static_cast<const char*>(base) + 4 * index, 4);
      return {value, 0};
    }
    case DType::kFloat64: {
      double value;
      std::memcpy(&value, static_cast<const char*>(base) + 8 * index, 8);
      return {value, 0};
    }
    case DType::kFloat16:
      return {float16ToFloat(static_cast<uint16_t>(readAs<uint16_t>(base, index))), 0};
    case DType::kBFloat16:
      return {bfloat16ToFloat(static_cast<uint16_t>(readAs<uint16_t>(base, index))), 0};
    case DType::kBool:
      return {0, readAs<uint8_t>(base, index) != 0};
    case DType::kUint8:
      return {0, readAs<uint8_t>(base, index)};
    case DType::kInt8:
      return {0, readAs<int8_t>(base, index)};
    case DType::kUint16:
      return {0, readAs<uint16_t>(base, index)};
    case DType::kInt16:
      return {0, readAs<int16_t>(base, index)};
    case DType::kUint32:
      return {0, readAs<uint32_t>(base, index)};
    case DType::kInt32:
      return {0, readAs<int32_t>(base, index)};
    default:
      return {0, readAs<int64_t>(base, index)};
  }
}

void writeElement(void* base, int64_t index, DType type, Scalar value) {
  int bytes = bitWidth(type) / 8;
  char* target = static_cast<char*>(base) + index * bytes;
  float single = static_cast<float>(value.real);
  uint16_t half = type == DType::kFloat16 ? floatToFloat16(single) : floatToBfloat16(single);
  switch (type) {
    case DType::kFloat32:
      std::memcpy(target, &single, 4);
      break;
    case DType::kFloat64:
      std::memcpy(target, &value.real, 8);
      break;
    case DType::kFloat16:
    case DType::kBFloat16:
      std::memcpy(target, &half, 2);
      break;
    default:
      std::memcpy(target, &value.whole, static_cast<size_t>(bytes));
  }
}

namespace {

Scalar evaluateWhole(const ScalarNode& node, const std::vector<Scalar>& in, DType from) {
  if (in.size() == 2) return {0, wrap(binaryWhole(node.op, in[0].whole, in[1].whole, from), node.dtype)};
  int64_t x = in[0].whole;
  switch (node.op) {
    case ScalarOp::kNeg:
      return {0, wrap(static_cast<int64_t>(0 - static_cast<uint64_t>(x)), node.dtype)};
    case ScalarOp::kAbs:
      return {
          0, wrap(isSignedInteger(from) && x < 0 ? static_cast<int64_t>(0 - static_cast<uint64_t>(x)) : x, node.dtype)};
    case ScalarOp::kSign:
      return {0, wrap(isSignedInteger(from) ? (x > 0) - (x < 0) : x != 0, node.dtype)};
    case ScalarOp::kBitNot:
      return {0, wrap(~x, node.dtype)};
    default:
      ADD_FAILURE() << "no integer operation";
      return {};
  }
}

}  // namespace

Scalar evaluate(const ScalarNode& node, const std::vector<Scalar>& in, const std::vector<DType>& types) {
  DType from = types[0];
  switch (node.op) {
    case ScalarOp::kSelect: {
      Scalar chosen = in[0].whole ? in[1] : in[2];
      return {roundTo(chosen.real, isFloat(node.dtype) ? node.dtype : DType::kFloat64), chosen.whole};
    }
    case ScalarOp::kNot:
      return {0, !in[0].whole};
    case ScalarOp::kIsNaN:
      return {0, std::isnan(in[0].real)};
    case ScalarOp::kIsInf:
      return {0, std::isinf(in[0].real)};
    case ScalarOp::kCast:
      return castTo(in[0], from, node.dtype);
    case ScalarOp::kBitCast: {
      int64_t memory = 0;
      writeElement(&memory, 0, from, in[0]);
      return readElement(&memory, 0, node.dtype);
    }
    case ScalarOp::kEqual:
    case ScalarOp::kLess:
    case ScalarOp::kLessOrEqual:
    case ScalarOp::kGreater:
    case ScalarOp::kGreaterOrEqual:
      return {0, compare(node.op, in[0], in[1], from)};
    default:
      break;
  }
  if (isFloat(from)) {
    double result = in.size() == 1 ? unaryReal(node.op, in[0].real) : binaryReal(node.op, in[0].real, in[1].real);
    // Narrow types are computed in float32 and rounded again.
    if (from != DType::kFloat64) result = static_cast<float>(result);
    return {roundTo(result, node.dtype), 0};
  }
  return evaluateWhole(node, in, from);
}

}  // namespace shardwright::testing
