#include "tests/unit/compiler/codegen/reference.h"

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <limits>

namespace shardwright::testing {
namespace {

bool isSignedType(DType type) {
  return type == DType::kInt8 || type == DType::kInt16 || type == DType::kInt32 || type == DType::kInt64;
}

int64_t wrap(int64_t value, DType type) {
  int spare = 64 - bitWidth(type);
  uint64_t up = static_cast<uint64_t>(value) << spare;
  return isSignedType(type) ? static_cast<int64_t>(up) >> spare : static_cast<int64_t>(up >> spare);
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

int64_t binaryWhole(ScalarOp op, int64_t x, int64_t y, DType type) {
  bool isSigned = isSignedType(type);
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
  if (isSignedType(type)) return by(x.whole, y.whole);
  return by(static_cast<uint64_t>(x.whole), static_cast<uint64_t>(y.whole));
}

int64_t saturate(double x, DType type) {
  if (std::isnan(x)) return 0;
  int bits = bitWidth(type);
  double low = isSignedType(type) ? -std::ldexp(1, bits - 1) : 0;
  double high = std::ldexp(1, isSignedType(type) ? bits - 1 : bits);
  x = std::trunc(x);
  if (x < low) x = low;
  if (x >= high) return wrap(isSignedType(type) ? static_cast<int64_t>((1ull << (bits - 1)) - 1) : -1, type);
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
  if (in.size() == 2) return {0, wrap(binaryWhole(node.op, in[0].whole, in[1].whole, from), node.dtype)};
  int64_t x = in[0].whole;
  switch (node.op) {
    case ScalarOp::kNeg:
      return {0, wrap(static_cast<int64_t>(0 - static_cast<uint64_t>(x)), node.dtype)};
    case ScalarOp::kAbs:
      return {0,
              wrap(isSignedType(from) && x < 0 ? static_cast<int64_t>(0 - static_cast<uint64_t>(x)) : x, node.dtype)};
    case ScalarOp::kSign:
      return {0, wrap(isSignedType(from) ? (x > 0) - (x < 0) : x != 0, node.dtype)};
    case ScalarOp::kBitNot:
      return {0, wrap(~x, node.dtype)};
    default:
      ADD_FAILURE() << "no integer operation";
      return {};
  }
}

namespace {

class Interpreter {
 public:
  Interpreter(const LoopNest& nest, void* const* buffers, const int64_t* sizes)
      : nest_(nest), buffers_(buffers), sizes_(sizes), dims_(nest.numOuter + nest.numInner), index_(dims_) {}

  void runPoint(int64_t flat) {
    for (int d = nest_.numOuter - 1; d >= 0; --d) {
      index_[d] = flat % sizes_[d];
      flat /= sizes_[d];
    }
    reduced_.clear();
    for (const Phase& phase : nest_.phases) runPhase(phase);
  }

 private:
  bool isOnce(const Store& store) const {
    return nest_.numInner > 0 && nest_.operands[store.operand].strides[nest_.numOuter] == StrideKind::kZero;
  }

  int64_t position(int operand) const {
    int64_t offset = 0;
    for (int d = 0; d < dims_; ++d) {
      StrideKind kind = nest_.operands[operand].strides[d];
      int64_t stride = kind == StrideKind::kZero   ? 0
                       : kind == StrideKind::kUnit ? 1
                                                   : sizes_[dims_ * (1 + operand) + d];
      offset += index_[d] * stride;
    }
    return offset;
  }

  Scalar leaf(const ScalarNode& node) const {
    switch (node.op) {
      case ScalarOp::kLoad: {
        DType type = nest_.operands[node.index].dtype;
        Scalar value = readElement(buffers_[node.index], position(node.index), type);
        return isFloat(type) ? Scalar{roundTo(value.real, node.dtype), 0} : value;
      }
      case ScalarOp::kConst:
        if (isFloat(node.dtype)) return {roundTo(node.constant, node.dtype), 0};
        return {0,
                node.dtype == DType::kBool ? node.constant != 0 || node.integer != 0 : wrap(node.integer, node.dtype)};
      case ScalarOp::kReduced:
        if (node.index >= static_cast<int>(reduced_.size())) return {};  // of this phase; only looked at afterwards
        return isFloat(node.dtype) ? Scalar{roundTo(reduced_[node.index].real, node.dtype), 0} : reduced_[node.index];
      case ScalarOp::kIndex:
        return {0, index_[node.index]};
      default:
        return {0, sizes_[dims_ * (1 + nest_.operands.size()) + node.index]};
    }
  }

  std::vector<Scalar> evaluateAll(const Phase& phase) const {
    std::vector<Scalar> values;
    for (const ScalarNode& node : phase.nodes) {
      if (node.inputs.empty()) {
        values.push_back(leaf(node));
        continue;
      }
      std::vector<Scalar> inputs;
      std::vector<DType> types;
      for (int input : node.inputs) {
        inputs.push_back(values[input]);
        types.push_back(phase.nodes[input].dtype);
      }
      values.push_back(evaluate(node, inputs, types));
    }
    return values;
  }

  void write(const Store& store, Scalar value) const {
    writeElement(buffers_[store.operand], position(store.operand), nest_.operands[store.operand].dtype, value);
  }

  void runPhase(const Phase& phase) {
    std::vector<long double> reals(phase.reductions.size());
    std::vector<int64_t> wholes(phase.reductions.size());
    std::vector<bool> started(phase.reductions.size());
    int64_t points = 1;
    for (int d = nest_.numOuter; d < dims_; ++d) points *= sizes_[d];
    for (int64_t point = 0; point < points; ++point) {
      int64_t rest = point;
      for (int d = dims_ - 1; d >= nest_.numOuter; --d) {
        index_[d] = rest % sizes_[d];
        rest /= sizes_[d];
      }
      std::vector<Scalar> values = evaluateAll(phase);
      for (size_t r = 0; r < phase.reductions.size(); ++r) {
        step(phase.reductions[r], phase.nodes[phase.reductions[r].value].dtype, values, reals[r], wholes[r],
             started[r]);
        started[r] = true;
      }
      for (const Store& store : phase.stores) {
        if (!isOnce(store)) write(store, values[store.value]);
      }
    }
    finish(phase, reals, wholes, started);
  }

  void step(const Reduction& reduction, DType type, const std::vector<Scalar>& values, long double& real,
            int64_t& whole, bool started) const {
    Scalar value = values[reduction.value];
    if (!started) {
      real = value.real;
      whole = value.whole;
      return;
    }
    if (isFloat(type)) {
      bool nan = std::isnan(value.real) || std::isnan(real);
      switch (reduction.kind) {
        case Reduction::Kind::kSum:
          real += value.real;
          break;
        case Reduction::Kind::kProd:
          real *= value.real;
          break;
        case Reduction::Kind::kMax:
          real = nan ? std::nan("") : std::max<long double>(real, value.real);
          break;
        default:
          real = nan ? std::nan("") : std::min<long double>(real, value.real);
      }
      return;
    }
    static constexpr ScalarOp kOps[] = {ScalarOp::kAdd, ScalarOp::kMul,    ScalarOp::kMax,
                                        ScalarOp::kMin, ScalarOp::kBitAnd, ScalarOp::kBitOr};
    whole = wrap(binaryWhole(kOps[static_cast<int>(reduction.kind)], whole, value.whole, type), type);
  }

  void finish(const Phase& phase, const std::vector<long double>& reals, const std::vector<int64_t>& wholes,
              const std::vector<bool>& started) {
    for (size_t r = 0; r < phase.reductions.size(); ++r) {
      DType type = phase.nodes[phase.reductions[r].value].dtype;
      if (started[r]) {
        reduced_.push_back({roundTo(static_cast<double>(reals[r]), accumulationType(type)), wholes[r]});
        continue;
      }
      int bits = bitWidth(type);
      double infinity = std::numeric_limits<double>::infinity();
      int64_t least = isSignedType(type) ? wrap(static_cast<int64_t>(1ull << (bits - 1)), type) : 0;
      switch (phase.reductions[r].kind) {
        case Reduction::Kind::kProd:
          reduced_.push_back({1, 1});
          break;
        case Reduction::Kind::kMax:
          reduced_.push_back({-infinity, least});
          break;
        case Reduction::Kind::kMin:
          reduced_.push_back({infinity, wrap(~least, type)});
          break;
        case Reduction::Kind::kAnd:
          reduced_.push_back({0, type == DType::kBool ? 1 : wrap(-1, type)});
          break;
        default:
          reduced_.push_back({0, 0});
      }
    }
    for (int d = nest_.numOuter; d < dims_; ++d) index_[d] = 0;
    bool any = false;
    for (const Store& store : phase.stores) any |= isOnce(store);
    if (!any) return;
    std::vector<Scalar> values = evaluateAll(phase);
    for (const Store& store : phase.stores) {
      if (isOnce(store)) write(store, values[store.value]);
    }
  }

  const LoopNest& nest_;
  void* const* buffers_;
  const int64_t* sizes_;
  int dims_;
  std::vector<int64_t> index_;
  std::vector<Scalar> reduced_;
};

}  // namespace

void interpret(const LoopNest& nest, void* const* buffers, const int64_t* sizes, int64_t begin, int64_t end) {
  Interpreter interpreter(nest, buffers, sizes);
  for (int64_t flat = begin; flat < end; ++flat) interpreter.runPoint(flat);
}

LoadedObject::LoadedObject(const std::string& bytes) {
  file_ = memfd_create("loops", 0);
  if (file_ < 0 || write(file_, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
    error_ = "cannot be written";
    return;
  }
  std::string path = "/proc/self/fd/" + std::to_string(file_);
  handle_ = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle_) error_ = dlerror();
}

LoadedObject::~LoadedObject() {
  if (handle_) dlclose(handle_);
  if (file_ >= 0) close(file_);
}

Function LoadedObject::find(const std::string& name) const {
  return handle_ ? reinterpret_cast<Function>(dlsym(handle_, name.c_str())) : nullptr;
}

std::unique_ptr<LoadedObject> compileNests(const std::vector<LoopNest>& nests, const std::string& cpu) {
  StatusOr<CpuTarget> target = CpuTarget::resolve(cpu);
  EXPECT_TRUE(target.ok()) << target.status().message();
  if (!target.ok()) return nullptr;
  StatusOr<std::string> bytes = compileLoops(nests, *target);
  EXPECT_TRUE(bytes.ok()) << bytes.status().message();
  if (!bytes.ok()) return nullptr;
  auto object = std::make_unique<LoadedObject>(*bytes);
  EXPECT_EQ(object->error(), "");
  return object;
}

Compiled compileNest(const LoopNest& nest, const std::string& cpu) {
  Compiled compiled;
  compiled.object = compileNests({nest}, cpu);
  EXPECT_NE(compiled.object, nullptr) << nest.str();
  if (compiled.object) compiled.function = compiled.object->find(nest.name);
  EXPECT_NE(compiled.function, nullptr) << nest.str();
  return compiled;
}

double ulpsBetween(float found, double expected) {
  float rounded = static_cast<float>(expected);
  if (std::isnan(found) || std::isnan(rounded)) return std::isnan(found) && std::isnan(rounded) ? 0 : 1e30;
  if (found == rounded) return 0;
  if (std::isinf(found) || std::isinf(rounded)) return 1e30;
  float magnitude = std::max(std::fabs(rounded), std::numeric_limits<float>::min());
  double unit = static_cast<double>(std::nextafter(magnitude, INFINITY)) - magnitude;
  return std::fabs(found - expected) / unit;
}

double ulpsBetween(double found, long double expected) {
  double rounded = static_cast<double>(expected);
  if (std::isnan(found) || std::isnan(rounded)) return std::isnan(found) && std::isnan(rounded) ? 0 : 1e30;
  if (found == rounded) return 0;
  if (std::isinf(found) || std::isinf(rounded)) return 1e30;
  double magnitude = std::max(std::fabs(rounded), std::numeric_limits<double>::min());
  long double unit = static_cast<long double>(std::nextafter(magnitude, INFINITY)) - magnitude;
  return static_cast<double>(std::fabs(found - expected) / unit);
}

int PhaseBuilder::leaf(ScalarOp op, DType type, int index) {
  ScalarNode node;
  node.op = op;
  node.dtype = type;
  node.index = index;
  phase_.nodes.push_back(node);
  return static_cast<int>(phase_.nodes.size()) - 1;
}

int PhaseBuilder::real(double value, DType type) {
  int node = leaf(ScalarOp::kConst, type, 0);
  phase_.nodes[node].constant = value;
  return node;
}

int PhaseBuilder::whole(int64_t value, DType type) {
  int node = leaf(ScalarOp::kConst, type, 0);
  phase_.nodes[node].integer = value;
  return node;
}

int PhaseBuilder::op(ScalarOp op, DType type, std::vector<int> inputs) {
  int node = leaf(op, type, 0);
  phase_.nodes[node].inputs = std::move(inputs);
  return node;
}

int PhaseBuilder::op(ScalarOp op, std::vector<int> inputs) {
  bool test = op == ScalarOp::kEqual || op == ScalarOp::kLess || op == ScalarOp::kLessOrEqual ||
              op == ScalarOp::kGreater || op == ScalarOp::kGreaterOrEqual || op == ScalarOp::kIsNaN ||
              op == ScalarOp::kIsInf;
  DType type = test ? DType::kBool : phase_.nodes[inputs.back()].dtype;
  return this->op(op, type, std::move(inputs));
}

LoopNest softmaxNest(const std::string& name, DType type) {
  LoopNest nest;
  nest.name = name;
  nest.numOuter = nest.numInner = 1;
  nest.operands = {{type, false, {kR, kU}}, {type, true, {kR, kU}}};
  nest.phases.resize(3);
  PhaseBuilder first(nest.phases[0]), second(nest.phases[1]), third(nest.phases[2]);
  first.reduce(Reduction::Kind::kMax, first.load(0, DType::kFloat32));
  auto exponential = [](PhaseBuilder& phase) {
    int v = phase.load(0, DType::kFloat32);
    return phase.op(ScalarOp::kExp, {phase.op(ScalarOp::kSub, {v, phase.reduced(0)})});
  };
  second.reduce(Reduction::Kind::kSum, exponential(second));
  int e = exponential(third);
  third.store(1, third.op(ScalarOp::kDiv, {e, third.reduced(1)}));
  return nest;
}

// y = (x - mean) / sqrt(var + 1e-5) * g + b
LoopNest layerNormNest(const std::string& name) {
  LoopNest nest;
  nest.name = name;
  nest.numOuter = nest.numInner = 1;
  nest.operands = {{DType::kFloat32, false, {kR, kU}},
                   {DType::kFloat32, false, {kZ, kU}},
                   {DType::kFloat32, false, {kZ, kU}},
                   {DType::kFloat32, true, {kR, kU}}};
  nest.phases.resize(3);
  auto mean = [](PhaseBuilder& phase) {
    int count = phase.cast(DType::kFloat32, phase.param(0));
    return phase.op(ScalarOp::kDiv, {phase.reduced(0), count});
  };
  nest.numParams = 1;
  PhaseBuilder first(nest.phases[0]), second(nest.phases[1]), third(nest.phases[2]);
  first.reduce(Reduction::Kind::kSum, first.load(0));
  int centred = second.op(ScalarOp::kSub, {second.load(0), mean(second)});
  second.reduce(Reduction::Kind::kSum, second.op(ScalarOp::kMul, {centred, centred}));
  int x = third.op(ScalarOp::kSub, {third.load(0), mean(third)});
  int variance = third.op(ScalarOp::kDiv, {third.reduced(1), third.cast(DType::kFloat32, third.param(0))});
  int root = third.op(ScalarOp::kSqrt, {third.op(ScalarOp::kAdd, {variance, third.real(1e-5)})});
  int scaled = third.op(ScalarOp::kMul, {third.op(ScalarOp::kDiv, {x, root}), third.load(1)});
  third.store(3, third.op(ScalarOp::kAdd, {scaled, third.load(2)}));
  return nest;
}

LoopNest unaryNest(const std::string& name, ScalarOp op, DType from, DType to) {
  LoopNest nest;
  nest.name = name;
  nest.numOuter = nest.numInner = 1;
  nest.operands = {{from, false, {kR, kU}}, {to, true, {kR, kU}}};
  nest.phases.resize(1);
  PhaseBuilder phase(nest.phases[0]);
  phase.store(1, phase.op(op, to, {phase.load(0, from)}));
  return nest;
}

LoopNest binaryNest(const std::string& name, ScalarOp op, DType from, DType to) {
  LoopNest nest;
  nest.name = name;
  nest.numOuter = nest.numInner = 1;
  nest.operands = {{from, false, {kR, kU}}, {from, false, {kR, kU}}, {to, true, {kR, kU}}};
  nest.phases.resize(1);
  PhaseBuilder phase(nest.phases[0]);
  int x = phase.load(0, from);
  phase.store(2, phase.op(op, to, {x, phase.load(1, from)}));
  return nest;
}

}  // namespace shardwright::testing
