// Owns walking and copying strided blocks of memory, for every communicator and for whoever moves windows of tensors.
// It does not own arithmetic on elements; see combine.h.
#pragma once

#include <cstdint>

#include "runtime/comm/communicator.h"

namespace shardwright {

int64_t elementCount(const StridedBlock& block);

// Whether the elements lie row-major without gaps; true of empty blocks.
bool isContiguous(const StridedBlock& block);

// Bytes of an element that a copy can move; 0 for types of less than a byte and for strings.
int copyWidth(DType type);

// Copies the elements [begin, begin + count), counted in row-major order, to packed memory and back.
void packElements(const StridedBlock& block, int width, int64_t begin, int64_t count, void* packed);
void unpackElements(const StridedBlock& block, int width, int64_t begin, int64_t count, const void* packed);

// Copies block to block of the same dims; nothing happens if they are the same memory. They must not overlap otherwise.
void copyBlock(const StridedBlock& from, const StridedBlock& to, int width);

}  // namespace shardwright
