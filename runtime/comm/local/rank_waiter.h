// Owns how one thread waits for others of its process: it spins for some microseconds, then sleeps. It does not know
// what is waited for.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace shardwright {

// One per rank: only that rank's thread waits on it, any thread may wake it. Neither allocates.
class RankWaiter {
 public:
  using Clock = std::chrono::steady_clock;

  // Polls before sleeping: many where every rank has a core of its own, few where ranks share cores.
  void setSpins(int spins) { spins_ = spins; }

  // Returns true as soon as ready() does, false at the deadline. What makes ready() true must be a sequentially
  // consistent store, followed by wake().
  template <typename Ready>
  bool waitUntil(Ready ready, std::chrono::milliseconds limit) {
    for (int i = 0; i < spins_; ++i) {
      if (ready()) return true;
      relax(i);
    }
    auto deadline = Clock::now() + limit;
    std::unique_lock<std::mutex> lock(mutex_);
    asleep_.store(true);
    bool done = true;
    while (!ready()) {
      if (wakeUp_.wait_until(lock, deadline) == std::cv_status::timeout && !ready()) {
        done = false;
        break;
      }
    }
    asleep_.store(false);
    return done;
  }

  void wake() {
    if (!asleep_.load()) return;
    // Taking the lock ensures that the sleeper is past its look at ready() and inside the wait.
    {
      std::lock_guard<std::mutex> lock(mutex_);
    }
    wakeUp_.notify_one();
  }

 private:
  static void relax(int round) {
    if (round % 64 == 63) {
      std::this_thread::yield();
      return;
    }
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }

  int spins_ = 64;
  std::atomic<bool> asleep_{false};
  std::mutex mutex_;
  std::condition_variable wakeUp_;
};

}  // namespace shardwright
