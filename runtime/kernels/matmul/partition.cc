#include "runtime/kernels/matmul/partition.h"

#include <algorithm>

namespace shardwright {
namespace {

constexpr double kMinFlopsPerThread = 2e5;  // below it, waking a thread costs more than it saves

// The number of row cuts (the rest of the threads cut columns) that minimises the largest part's arithmetic and, between
// equals, what it reads.
int rowCuts(int64_t m, int64_t n, int64_t rowGranule, int64_t columnGranule, int numThreads) {
  auto largest = [](int64_t count, int64_t granule, int parts) {
    int64_t granules = (count + granule - 1) / granule;
    return std::min(count, (granules + parts - 1) / parts * granule);
  };
  int best = 1;
  double bestCost = 0;
  for (int cuts = 1; cuts <= numThreads; ++cuts) {
    double rows = static_cast<double>(largest(m, rowGranule, cuts));
    double columns = static_cast<double>(largest(n, columnGranule, numThreads / cuts));
    // Reading and packing an element costs as much as 16 multiplications or so.
    double cost = rows * columns + 16 * (rows + columns);
    if (cuts == 1 || cost < bestCost) {
      best = cuts;
      bestCost = cost;
    }
  }
  return best;
}

}  // namespace

std::vector<MatmulPart> partitionMatmul(int64_t batches, int64_t m, int64_t n, int64_t k, int64_t rowGranule,
                                        int64_t columnGranule, int numThreads) {
  double flops = 2.0 * static_cast<double>(batches * m) * static_cast<double>(n * std::max<int64_t>(k, 1));
  int threads = static_cast<int>(std::clamp(flops / kMinFlopsPerThread, 1.0, static_cast<double>(numThreads)));
  std::vector<MatmulPart> parts;
  if (batches >= 4 * threads || batches % threads == 0) {
    for (int t = 0; t < threads; ++t) parts.push_back({threadSlice(batches, t, threads), {0, m}, {0, n}});
    return parts;
  }
  int cuts = rowCuts(m, n, rowGranule, columnGranule, threads), columnCuts = threads / cuts;
  for (int i = 0; i < cuts; ++i) {
    for (int j = 0; j < columnCuts; ++j) {
      parts.push_back(
          {{0, batches}, threadSlice(m, i, cuts, rowGranule), threadSlice(n, j, columnCuts, columnGranule)});
    }
  }
  return parts;
}

}  // namespace shardwright
