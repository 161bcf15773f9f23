// Owns the threads of one rank. A pool of one thread runs everything on the caller.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

namespace shardwright {

// A reference to a callable that outlives the call: no allocation, unlike std::function.
class TaskRef {
 public:
  template <typename F>
  TaskRef(F& f) : object_(&f), call_([](void* o, int t, int n) { (*static_cast<F*>(o))(t, n); }) {}  // NOLINT
  void operator()(int thread, int numThreads) const { call_(object_, thread, numThreads); }

 private:
  void* object_;
  void (*call_)(void*, int, int);
};

class ThreadPool {
 public:
  // Starts numThreads - 1 workers, pinned to `cpus` in order when given (the caller is thread 0 and pins itself with
  // pinCurrentThread). Workers spin briefly between tasks, then sleep.
  explicit ThreadPool(int numThreads, std::vector<int> cpus = {});
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int numThreads() const;

  // Calls task(t, n) once on each of the pool's n threads, t = 0 … n-1, and returns when all have returned. The task must
  // not throw. Called by the rank's main thread only; not reentrant. Allocates nothing.
  void run(TaskRef task);

  static void pinCurrentThread(int cpu);

 private:
  struct Shared;
  std::unique_ptr<Shared> shared_;
};

// The part [begin, end) of `count` items that thread t of n takes; sizes differ by at most one, granules kept whole.
struct Slice {
  int64_t begin, end;
};
inline Slice threadSlice(int64_t count, int thread, int numThreads, int64_t granule = 1) {
  int64_t granules = (count + granule - 1) / granule;
  int64_t begin = granules * thread / numThreads * granule, end = granules * (thread + 1) / numThreads * granule;
  return {begin < count ? begin : count, end < count ? end : count};
}

}  // namespace shardwright
