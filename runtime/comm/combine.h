// Owns the arithmetic of collectives: combining elements of several ranks, in the order that the caller gives. It does
// not know of ranks or strides.
#pragma once

#include <cstdint>

#include "runtime/comm/communicator.h"

namespace shardwright {

// How elements of one type are combined. An accumulator is float32 for 16-bit floats, so that they are rounded once, and
// the type itself otherwise. A maximum or minimum with a NaN is that NaN; integer sums wrap; of bools, sum and max are
// "or", prod and min are "and".
struct Combination {
  int accumulatorWidth;  // bytes
  void (*load)(const void* elements, void* accumulators, int64_t count);
  void (*combineTwo)(const void* first, const void* second, void* accumulators, int64_t count);  // := first ∘ second
  void (*combine)(const void* elements, void* accumulators, int64_t count);  // accumulator := accumulator ∘ element
  void (*store)(const void* accumulators, void* elements, int64_t count);    // null where they are the elements' type
};

// kInternal for types that cannot be combined: strings, complex, 8-bit floats and below a byte.
StatusOr<Combination> combinationOf(Combiner combiner, DType type);

std::string_view combinerName(Combiner combiner);  // "sum", "max", "min", "prod"

}  // namespace shardwright
