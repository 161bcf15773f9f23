#include "runtime/base/thread_pool.h"

#include <pthread.h>
#include <sched.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <new>
#include <thread>

namespace shardwright {
namespace {

inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// About 50 µs: longer than the gap between two kernels of a step list, shorter than what another process would miss.
constexpr int kSpins = 2000;

}  // namespace

// A run is announced by a new generation; each worker answers by lowering `pending`. Both sides spin, then sleep on the
// condition variables; the sleepers are counted so that nobody is woken by a system call in vain.
struct ThreadPool::Shared {
  std::atomic<uint64_t> generation{0};
  std::atomic<int> pending{0};
  std::atomic<int> sleepers{0};
  std::atomic<bool> callerSleeps{false};
  bool stop = false;  // written before the generation is raised
  alignas(TaskRef) unsigned char task[sizeof(TaskRef)];
  std::mutex mutex;
  std::condition_variable started, finished;
  std::vector<std::thread> workers;
  int numThreads = 1;
  int spins = kSpins;

  void announce() {
    generation.fetch_add(1);
    if (sleepers.load() == 0) return;
    std::lock_guard<std::mutex> lock(mutex);
    started.notify_all();
  }

  uint64_t awaitGeneration(uint64_t seen) {
    for (int i = 0; i < spins; ++i) {
      uint64_t now = generation.load();
      if (now != seen) return now;
      relax();
    }
    std::unique_lock<std::mutex> lock(mutex);
    sleepers.fetch_add(1);
    started.wait(lock, [&] { return generation.load() != seen; });
    sleepers.fetch_sub(1);
    return generation.load();
  }

  void work(int thread) {
    for (uint64_t seen = 0;;) {
      seen = awaitGeneration(seen);
      if (stop) return;
      (*std::launder(reinterpret_cast<TaskRef*>(task)))(thread, numThreads);
      if (pending.fetch_sub(1) == 1 && callerSleeps.load()) {
        std::lock_guard<std::mutex> lock(mutex);
        finished.notify_one();
      }
    }
  }

  void awaitWorkers() {
    for (int i = 0; i < spins; ++i) {
      if (pending.load() == 0) return;
      relax();
    }
    std::unique_lock<std::mutex> lock(mutex);
    callerSleeps.store(true);
    finished.wait(lock, [&] { return pending.load() == 0; });
    callerSleeps.store(false);
  }
};

ThreadPool::ThreadPool(int numThreads, std::vector<int> cpus) : shared_(std::make_unique<Shared>()) {
  shared_->numThreads = numThreads < 1 ? 1 : numThreads;
  // With more threads than processors, spinning takes the processor from whom it waits for.
  if (shared_->numThreads > static_cast<int>(std::thread::hardware_concurrency())) shared_->spins = 1;
  for (int t = 1; t < shared_->numThreads; ++t) {
    int cpu = cpus.empty() ? -1 : cpus[static_cast<size_t>(t) % cpus.size()];
    shared_->workers.emplace_back([shared = shared_.get(), t, cpu] {
      if (cpu >= 0) pinCurrentThread(cpu);
      shared->work(t);
    });
  }
}

ThreadPool::~ThreadPool() {
  shared_->stop = true;
  shared_->announce();
  for (std::thread& worker : shared_->workers) worker.join();
}

int ThreadPool::numThreads() const { return shared_->numThreads; }

void ThreadPool::run(TaskRef task) {
  Shared& shared = *shared_;
  if (shared.numThreads == 1) return task(0, 1);
  new (shared.task) TaskRef(task);
  shared.pending.store(shared.numThreads - 1);
  shared.announce();
  task(0, shared.numThreads);
  shared.awaitWorkers();
}

void ThreadPool::pinCurrentThread(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<size_t>(cpu), &set);
  pthread_setaffinity_np(pthread_self(), sizeof set, &set);  // where it is forbidden, the thread stays unpinned
}

}  // namespace shardwright
