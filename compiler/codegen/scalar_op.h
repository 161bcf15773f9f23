// Owns what is known of a scalar operation apart from its code: its name, how many inputs it takes, which types. It does
// not own the operations' list (loop_nest.h).
#pragma once

#include <string_view>

#include "compiler/codegen/loop_nest.h"

namespace shardwright {

// Which types an operation takes, and which it results in.
enum class TypeRule {
  kLeaf,        // no inputs; each leaf has its own rule
  kFloat,       // floats, the same
  kNumber,      // floats or integers, the same
  kInteger,     // integers, the same
  kBool,        // bools → bool
  kFloatTest,   // floats → bool
  kEquality,    // two of one type → bool
  kComparison,  // two numbers of one type → bool
  kCast,
  kBitCast,
  kSelect,
};

struct ScalarOpTraits {
  std::string_view name;
  int arity;
  TypeRule types;
};

const ScalarOpTraits& traitsOf(ScalarOp op);

// The type a value is held in between operations: float32 for float16 and bfloat16, else its own. Operations and stores
// take inputs that are held in one type.
inline DType heldType(DType type) { return accumulationType(type); }

inline bool isNarrowFloat(DType type) { return type == DType::kFloat16 || type == DType::kBFloat16; }
inline bool isSignedInteger(DType type) {
  return type == DType::kInt8 || type == DType::kInt16 || type == DType::kInt32 || type == DType::kInt64;
}

// Types that generated loops can load, compute and store.
bool isLoopType(DType type);

}  // namespace shardwright
