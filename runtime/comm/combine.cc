#include "runtime/comm/combine.h"

#include <cstring>
#include <type_traits>

namespace shardwright {
namespace {

template <typename T>
struct Plain {
  using Element = T;
  using Accumulator = T;
  static T widen(T value) { return value; }
  static T narrow(T value) { return value; }
};

struct Half {
  using Element = uint16_t;
  using Accumulator = float;
  static float widen(uint16_t bits) { return float16ToFloat(bits); }
  static uint16_t narrow(float value) { return floatToFloat16(value); }
};

struct Brain {
  using Element = uint16_t;
  using Accumulator = float;
  static float widen(uint16_t bits) { return bfloat16ToFloat(bits); }
  static uint16_t narrow(float value) { return floatToBfloat16(value); }
};

struct Truth {
  using Element = uint8_t;
  using Accumulator = uint8_t;
  static uint8_t widen(uint8_t value) { return value != 0; }
  static uint8_t narrow(uint8_t value) { return value; }
};

struct Sum {
  template <typename T>
  static T apply(T a, T b) {
    if constexpr (std::is_integral_v<T>) {
      using U = std::make_unsigned_t<T>;
      return static_cast<T>(static_cast<U>(static_cast<U>(a) + static_cast<U>(b)));
    } else {
      return a + b;
    }
  }
};

struct Prod {
  template <typename T>
  static T apply(T a, T b) {
    if constexpr (std::is_integral_v<T>) {
      return static_cast<T>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
    } else {
      return a * b;
    }
  }
};

// The comparison with itself lets a NaN accumulator win; a NaN element wins because every comparison with it is false.
struct Max {
  template <typename T>
  static T apply(T a, T b) {
    return a > b || a != a ? a : b;
  }
};

struct Min {
  template <typename T>
  static T apply(T a, T b) {
    return a < b || a != a ? a : b;
  }
};

struct Or {
  static uint8_t apply(uint8_t a, uint8_t b) { return a | b; }
};

struct And {
  static uint8_t apply(uint8_t a, uint8_t b) { return a & b; }
};

template <typename Type>
void load(const void* elements, void* accumulators, int64_t count) {
  auto* from = static_cast<const typename Type::Element*>(elements);
  auto* to = static_cast<typename Type::Accumulator*>(accumulators);
  for (int64_t i = 0; i < count; ++i) to[i] = Type::widen(from[i]);
}

template <typename Type, typename Op>
void combine(const void* elements, void* accumulators, int64_t count) {
  auto* __restrict from = static_cast<const typename Type::Element*>(elements);
  auto* __restrict to = static_cast<typename Type::Accumulator*>(accumulators);
  for (int64_t i = 0; i < count; ++i) to[i] = Op::apply(to[i], Type::widen(from[i]));
}

// As load() of the first, then combine() of the second.
template <typename Type, typename Op>
void combineTwo(const void* first, const void* second, void* accumulators, int64_t count) {
  auto* __restrict a = static_cast<const typename Type::Element*>(first);
  auto* __restrict b = static_cast<const typename Type::Element*>(second);
  auto* __restrict to = static_cast<typename Type::Accumulator*>(accumulators);
  for (int64_t i = 0; i < count; ++i) to[i] = Op::apply(Type::widen(a[i]), Type::widen(b[i]));
}

template <typename Type>
void store(const void* accumulators, void* elements, int64_t count) {
  auto* from = static_cast<const typename Type::Accumulator*>(accumulators);
  auto* to = static_cast<typename Type::Element*>(elements);
  for (int64_t i = 0; i < count; ++i) to[i] = Type::narrow(from[i]);
}

template <typename Type, typename Op>
Combination make() {
  constexpr bool kSame = std::is_same_v<typename Type::Accumulator, typename Type::Element>;
  return {sizeof(typename Type::Accumulator), load<Type>, combineTwo<Type, Op>, combine<Type, Op>,
          kSame ? nullptr : store<Type>};
}

template <typename Type>
Combination makeNumber(Combiner combiner) {
  switch (combiner) {
    case Combiner::kSum:
      return make<Type, Sum>();
    case Combiner::kMax:
      return make<Type, Max>();
    case Combiner::kMin:
      return make<Type, Min>();
    case Combiner::kProd:
      break;
  }
  return make<Type, Prod>();
}

}  // namespace

StatusOr<Combination> combinationOf(Combiner combiner, DType type) {
  switch (type) {
    case DType::kFloat32:
      return makeNumber<Plain<float>>(combiner);
    case DType::kFloat64:
      return makeNumber<Plain<double>>(combiner);
    case DType::kFloat16:
      return makeNumber<Half>(combiner);
    case DType::kBFloat16:
      return makeNumber<Brain>(combiner);
    case DType::kInt8:
      return makeNumber<Plain<int8_t>>(combiner);
    case DType::kInt16:
      return makeNumber<Plain<int16_t>>(combiner);
    case DType::kInt32:
      return makeNumber<Plain<int32_t>>(combiner);
    case DType::kInt64:
      return makeNumber<Plain<int64_t>>(combiner);
    case DType::kUint8:
      return makeNumber<Plain<uint8_t>>(combiner);
    case DType::kUint16:
      return makeNumber<Plain<uint16_t>>(combiner);
    case DType::kUint32:
      return makeNumber<Plain<uint32_t>>(combiner);
    case DType::kUint64:
      return makeNumber<Plain<uint64_t>>(combiner);
    case DType::kBool:
      return combiner == Combiner::kSum || combiner == Combiner::kMax ? make<Truth, Or>() : make<Truth, And>();
    default:
      return internalError("elements of type " + std::string(dtypeName(type)) + " cannot be combined by " +
                           std::string(combinerName(combiner)));
  }
}

std::string_view combinerName(Combiner combiner) {
  switch (combiner) {
    case Combiner::kSum:
      return "sum";
    case Combiner::kMax:
      return "max";
    case Combiner::kMin:
      return "min";
    case Combiner::kProd:
      break;
  }
  return "prod";
}

}  // namespace shardwright
