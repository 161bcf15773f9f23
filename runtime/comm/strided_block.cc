#include "runtime/comm/strided_block.h"

#include <algorithm>
#include <cstring>

namespace shardwright {
namespace {

// Two blocks of equal dims with all dims merged that both can walk as one; dims of size 1 are gone.
//   dims [2,3,4], a strides [12,4,1], b strides [100,4,1] -> dims [2,12], a [12,1], b [100,1]
struct DimPair {
  int rank = 0;
  int64_t dims[StridedBlock::kMaxDims];
  int64_t a[StridedBlock::kMaxDims], b[StridedBlock::kMaxDims];
};

DimPair mergeDims(const StridedBlock& x, const StridedBlock& y) {
  DimPair merged;
  for (int i = 0; i < x.rank; ++i) {
    if (x.dims[i] == 1) continue;
    int last = merged.rank - 1;
    if (last >= 0 && merged.a[last] == x.strides[i] * x.dims[i] && merged.b[last] == y.strides[i] * x.dims[i]) {
      merged.dims[last] *= x.dims[i];
      merged.a[last] = x.strides[i];
      merged.b[last] = y.strides[i];
      continue;
    }
    merged.dims[merged.rank] = x.dims[i];
    merged.a[merged.rank] = x.strides[i];
    merged.b[merged.rank] = y.strides[i];
    ++merged.rank;
  }
  return merged;
}

template <typename T>
void copyStrided(const char* from, int64_t fromStride, char* to, int64_t toStride, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    std::memcpy(to + i * toStride * static_cast<int64_t>(sizeof(T)),
                from + i * fromStride * static_cast<int64_t>(sizeof(T)), sizeof(T));
  }
}

struct Wide {
  uint64_t low, high;
};

// One row; strides in elements.
void copyRow(const char* from, int64_t fromStride, char* to, int64_t toStride, int64_t count, int width) {
  if (fromStride == 1 && toStride == 1) {
    std::memcpy(to, from, static_cast<size_t>(count * width));
    return;
  }
  switch (width) {
    case 1:
      return copyStrided<uint8_t>(from, fromStride, to, toStride, count);
    case 2:
      return copyStrided<uint16_t>(from, fromStride, to, toStride, count);
    case 4:
      return copyStrided<uint32_t>(from, fromStride, to, toStride, count);
    case 8:
      return copyStrided<uint64_t>(from, fromStride, to, toStride, count);
    default:
      return copyStrided<Wide>(from, fromStride, to, toStride, count);
  }
}

// Calls row(pointer, stride, numElements, packedOffset) for the pieces of the innermost dim that hold [begin, begin+count).
template <typename Row>
void forEachRow(const StridedBlock& block, int width, int64_t begin, int64_t count, Row row) {
  if (count <= 0) return;
  DimPair shape = mergeDims(block, block);
  if (shape.rank == 0) {
    row(static_cast<char*>(block.data), int64_t{1}, int64_t{1}, int64_t{0});
    return;
  }
  int inner = shape.rank - 1;
  int64_t index[StridedBlock::kMaxDims];
  int64_t rest = begin, offset = 0;
  for (int i = inner; i >= 0; --i) {
    index[i] = rest % shape.dims[i];
    rest /= shape.dims[i];
    offset += index[i] * shape.a[i];
  }
  for (int64_t done = 0; done < count;) {
    int64_t length = std::min(shape.dims[inner] - index[inner], count - done);
    row(static_cast<char*>(block.data) + offset * width, shape.a[inner], length, done * width);
    done += length;
    offset -= index[inner] * shape.a[inner];
    index[inner] = 0;
    for (int i = inner - 1; i >= 0; --i) {
      offset += shape.a[i];
      if (++index[i] < shape.dims[i]) break;
      offset -= index[i] * shape.a[i];
      index[i] = 0;
    }
  }
}

}  // namespace

int64_t elementCount(const StridedBlock& block) {
  int64_t count = 1;
  for (int i = 0; i < block.rank; ++i) count *= block.dims[i];
  return count;
}

bool isContiguous(const StridedBlock& block) {
  if (elementCount(block) == 0) return true;
  int64_t expected = 1;
  for (int i = block.rank - 1; i >= 0; --i) {
    if (block.dims[i] == 1) continue;
    if (block.strides[i] != expected) return false;
    expected *= block.dims[i];
  }
  return true;
}

int copyWidth(DType type) {
  int bits = bitWidth(type);
  return bits % 8 == 0 ? bits / 8 : 0;
}

void packElements(const StridedBlock& block, int width, int64_t begin, int64_t count, void* packed) {
  char* to = static_cast<char*>(packed);
  forEachRow(block, width, begin, count, [&](char* from, int64_t stride, int64_t length, int64_t at) {
    copyRow(from, stride, to + at, 1, length, width);
  });
}

void unpackElements(const StridedBlock& block, int width, int64_t begin, int64_t count, const void* packed) {
  const char* from = static_cast<const char*>(packed);
  forEachRow(block, width, begin, count, [&](char* to, int64_t stride, int64_t length, int64_t at) {
    copyRow(from + at, 1, to, stride, length, width);
  });
}

void copyBlock(const StridedBlock& from, const StridedBlock& to, int width) {
  if (elementCount(from) == 0) return;
  DimPair shape = mergeDims(from, to);
  if (from.data == to.data && std::equal(shape.a, shape.a + shape.rank, shape.b)) return;
  const char* source = static_cast<const char*>(from.data);
  char* target = static_cast<char*>(to.data);
  if (shape.rank == 0) {
    std::memcpy(target, source, static_cast<size_t>(width));
    return;
  }
  int inner = shape.rank - 1;
  int64_t index[StridedBlock::kMaxDims] = {};
  for (;;) {
    copyRow(source, shape.a[inner], target, shape.b[inner], shape.dims[inner], width);
    int i = inner - 1;
    for (; i >= 0; --i) {
      source += shape.a[i] * width;
      target += shape.b[i] * width;
      if (++index[i] < shape.dims[i]) break;
      source -= index[i] * shape.a[i] * width;
      target -= index[i] * shape.b[i] * width;
      index[i] = 0;
    }
    if (i < 0) return;
  }
}

}  // namespace shardwright
