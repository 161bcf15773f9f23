// Owns how tests of communication write a list of numbers as a block.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/comm/communicator.h"

namespace shardwright {

template <typename T>
StridedBlock blockOver(std::vector<T>& values) {
  StridedBlock block;
  block.data = values.data();
  block.rank = 1;
  block.dims[0] = static_cast<int64_t>(values.size());
  block.strides[0] = 1;
  return block;
}

}  // namespace shardwright
