// Owns how one matrix multiplication is cut over threads.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/base/thread_pool.h"

namespace shardwright {

// A rectangle of the results of some batches.
struct MatmulPart {
  Slice batches = {0, 0}, rows = {0, 0}, columns = {0, 0};
};

// At most one part per thread; parts cover every element once, and begin at multiples of the granules. Small problems are
// given to fewer threads.
std::vector<MatmulPart> partitionMatmul(int64_t batches, int64_t m, int64_t n, int64_t k, int64_t rowGranule,
                                        int64_t columnGranule, int numThreads);

}  // namespace shardwright
