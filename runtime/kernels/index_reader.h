// Owns how indexing kernels read an element of an index operand: negative values, and shards of the indexed dim.
#pragma once

#include "runtime/kernels/kernel.h"

namespace shardwright {

// Maps an index as ONNX writes it to a position in the local part of the indexed dim. The dim has `extent` elements over
// all ranks; this rank holds `local` of them from `offset` on.
//   extent 10, offset 4, local 3:  5 -> 1,  -4 -> 2,  0 -> none (another rank's),  10 -> none (wrong)
struct IndexReader {
  int64_t extent = 0, offset = 0, local = 0;

  // -1 for none. A kernel cannot fail, so that an index outside of the dim is treated as one of another rank.
  int64_t position(int64_t index) const {
    int64_t at = (index < 0 ? index + extent : index) - offset;
    return at >= 0 && at < local ? at : -1;
  }
};

inline bool isIndexType(DType type) { return type == DType::kInt64 || type == DType::kInt32; }

inline int64_t loadIndex(DType type, const void* data, int64_t at) {
  return type == DType::kInt64 ? static_cast<const int64_t*>(data)[at] : static_cast<const int32_t*>(data)[at];
}

// Fails unless inputs[0] and outputs[0] have one type of at least a byte, and inputs[1] holds indices.
Status checkIndexedTypes(const KernelSpec& spec);

}  // namespace shardwright
