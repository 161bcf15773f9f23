// Owns the decision whether work is worth waking the rank's other threads for.
#pragma once

#include "runtime/base/thread_pool.h"

namespace shardwright {

// Elements touched: fewer are done by the calling thread sooner than the others wake.
constexpr int64_t kSmallWork = 8192;

// Calls task(t, n) on the pool's n threads, or task(0, 1) on the calling thread where the work is small.
template <typename Task>
void runParts(ThreadPool& pool, int64_t elements, Task& task) {
  if (elements <= kSmallWork || pool.numThreads() == 1) return task(0, 1);
  pool.run(task);
}

}  // namespace shardwright
