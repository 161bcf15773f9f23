// Owns how one matrix multiplication is cut over threads and into tiles that stay in cache.
#pragma once

#include <cstdint>
#include <vector>

namespace shardwright {

struct MatmulTile {
  int64_t row = 0, rows = 0, column = 0, columns = 0;
};

struct MatmulPart {
  int64_t firstBatch = 0, endBatch = 0;
  std::vector<MatmulTile> tiles;  // of each of the batch's matrices
};

// One part per thread at most; parts cover every batch and element once. Tiles begin at multiples of columnGranule.
// Small problems are given to fewer threads.
std::vector<MatmulPart> partitionMatmul(int64_t batches, int64_t m, int64_t n, int64_t k, int64_t columnGranule,
                                        int numThreads);

}  // namespace shardwright
