#include "runtime/kernels/matmul/partition.h"

#include <algorithm>

#include "runtime/base/thread_pool.h"

namespace shardwright {
namespace {

constexpr int64_t kRowGranule = 8;
// A tile's result and the rows of a that it needs fit in the second-level cache while post-ops pass over it.
constexpr int64_t kTileRows = 256, kTileColumns = 512;
constexpr double kMinFlopsPerThread = 2e5;  // below it, waking a thread costs more than it saves

std::vector<MatmulTile> tilesOf(Slice rows, Slice columns, int64_t columnGranule) {
  int64_t width = std::max(columnGranule, kTileColumns / columnGranule * columnGranule);
  // With few rows the result is small anyway, and a tile's call should last.
  if ((rows.end - rows.begin) * (columns.end - columns.begin) <= kTileRows * kTileColumns) {
    width = std::max<int64_t>(1, columns.end - columns.begin);
  }
  std::vector<MatmulTile> tiles;
  for (int64_t r = rows.begin; r < rows.end; r += kTileRows) {
    for (int64_t c = columns.begin; c < columns.end; c += width) {
      tiles.push_back({r, std::min(kTileRows, rows.end - r), c, std::min(width, columns.end - c)});
    }
  }
  return tiles;
}

// The number of row cuts (the rest of the threads cut columns) that minimises the largest part's arithmetic and, between
// equals, what it reads.
int rowCuts(int64_t m, int64_t n, int64_t k, int64_t columnGranule, int numThreads) {
  int best = 1;
  double bestCost = 0;
  for (int cuts = 1; cuts <= numThreads; ++cuts) {
    auto largest = [](int64_t count, int64_t granule, int parts) {
      int64_t granules = (count + granule - 1) / granule;
      return std::min(count, (granules + parts - 1) / parts * granule);
    };
    double rows = largest(m, kRowGranule, cuts), columns = largest(n, columnGranule, numThreads / cuts);
    // An element read costs as much as 16 multiplications or so.
    double cost = k * (rows * columns + 16 * (rows + columns));
    if (cuts == 1 || cost < bestCost) {
      best = cuts;
      bestCost = cost;
    }
  }
  return best;
}

}  // namespace

std::vector<MatmulPart> partitionMatmul(int64_t batches, int64_t m, int64_t n, int64_t k, int64_t columnGranule,
                                        int numThreads) {
  double flops = 2.0 * batches * m * n * std::max<int64_t>(k, 1);
  int threads = static_cast<int>(std::clamp(flops / kMinFlopsPerThread, 1.0, static_cast<double>(numThreads)));
  std::vector<MatmulPart> parts;
  if (batches >= 4 * threads || batches % threads == 0) {
    for (int t = 0; t < threads; ++t) {
      Slice slice = threadSlice(batches, t, threads);
      parts.push_back({slice.begin, slice.end, tilesOf({0, m}, {0, n}, columnGranule)});
    }
    return parts;
  }
  int cuts = rowCuts(m, n, k, columnGranule, threads), columnCuts = threads / cuts;
  for (int i = 0; i < cuts; ++i) {
    for (int j = 0; j < columnCuts; ++j) {
      parts.push_back(
          {0, batches,
           tilesOf(threadSlice(m, i, cuts, kRowGranule), threadSlice(n, j, columnCuts, columnGranule), columnGranule)});
    }
  }
  return parts;
}

}  // namespace shardwright
