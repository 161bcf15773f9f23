// Owns reading index tuples: the last dim of an index operand holds one index for each of the leading dims of a tensor.
#pragma once

#include "runtime/kernels/attr_reader.h"
#include "runtime/kernels/index_reader.h"

namespace shardwright {

struct NdIndex {
  int length = 0;                  // of a tuple
  IndexReader readers[kMaxRank];   // of each of its numbers
  int64_t strides[kMaxRank] = {};  // of the indexed tensor along those dims
  int64_t tupleStride = 0;         // of the index operand along its last dim

  // For the tuple that begins at element `at` of the indices: the offset in the indexed tensor, or -1 for none.
  int64_t offset(const TensorRef& indices, int64_t at) const {
    int64_t sum = 0;
    for (int i = 0; i < length; ++i) {
      int64_t position = readers[i].position(loadIndex(indices.dtype, indices.data, at + i * tupleStride));
      if (position < 0) return -1;
      sum += position * strides[i];
    }
    return sum;
  }
};

// Reads "extents" and "offsets" for the dims of `data` from number `first` on.
inline NdIndex readNdIndex(AttrReader& attrs, const TensorRef& data, const TensorRef& indices, int first) {
  NdIndex index;
  index.length = static_cast<int>(indices.dims[indices.rank - 1]);
  index.tupleStride = indices.strides[indices.rank - 1];
  std::vector<int64_t> local(data.dims + first, data.dims + first + index.length);
  std::vector<int64_t> extents = attrs.integers("extents", local);
  std::vector<int64_t> offsets = attrs.integers("offsets", std::vector<int64_t>(index.length, 0));
  if (static_cast<int>(extents.size()) != index.length || static_cast<int>(offsets.size()) != index.length) {
    attrs.fail("\"extents\" and \"offsets\" must have " + std::to_string(index.length) +
               " numbers, one for each number of an index");
    return index;
  }
  for (int i = 0; i < index.length; ++i) {
    index.readers[i] = {extents[i], offsets[i], local[i]};
    index.strides[i] = data.strides[first + i];
  }
  return index;
}

}  // namespace shardwright
