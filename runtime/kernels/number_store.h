// Owns writing one number to an element of any numeric type. It does not own bulk conversion.
#pragma once

#include "runtime/kernels/kernel.h"

namespace shardwright {

// Whether storeNumber can write the type: bool, integers of 8 to 64 bits and floats of 16 to 64 bits.
bool canStoreNumbers(DType type);

// data[index] := value, converted as C does.
void storeNumber(DType type, void* data, int64_t index, int64_t value);
void storeNumber(DType type, void* data, int64_t index, double value);

}  // namespace shardwright
