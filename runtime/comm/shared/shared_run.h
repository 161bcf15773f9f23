// Owns what the ranks of one host have in common in a run besides groups and messages: the memory, and where each rank waits.
// It knows that a run has failed only by asking.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "runtime/comm/shared/shared_region.h"

namespace shardwright {

// What one rank waits for from another, as a number of which a sleeper names one; 0: nothing.
enum class Awaited : uint32_t { kForward, kCombined, kProgress, kMessage };
inline uint32_t awaitedOf(int rank, Awaited what) {
  return (static_cast<uint32_t>(rank) + 1) * 4 + static_cast<uint32_t>(what);
}

// Sleeps while the word is `seen`, until a wake or the limit. Words may lie in memory that processes share.
void futexWait(const std::atomic<uint32_t>& word, uint32_t seen, std::chrono::nanoseconds limit);
void futexWake(const std::atomic<uint32_t>& word);

class SharedRun {
 public:
  using Clock = std::chrono::steady_clock;
  enum class Outcome { kReady, kFailed, kDeadline };
  struct Hooks {
    std::function<bool()> failed;
    std::function<Status()> failure;  // what a wait then returns
    std::function<void(int rank, const std::string& activity)> note;
  };

  // isCrowded: more threads of ranks than cores. Null where no room is left.
  static std::unique_ptr<SharedRun> make(std::unique_ptr<SharedRegion> region, int numRanks, bool isCrowded,
                                         Hooks hooks) {
    int64_t bytes = static_cast<int64_t>(sizeof(Waiter)) * numRanks;
    auto* waiters = reinterpret_cast<Waiter*>(region->find("waiters", bytes));
    if (!waiters) return nullptr;
    return std::unique_ptr<SharedRun>(new SharedRun(std::move(region), waiters, isCrowded, std::move(hooks)));
  }

  SharedRegion& region() { return *region_; }
  const Hooks& hooks() const { return hooks_; }

  // Waits on behalf of `rank` until missing() is 0, a failure of the run, or the limit. missing() says one thing that is not
  // there yet, whose maker wakes the rank when it is.
  template <typename Missing>
  Outcome wait(int rank, std::chrono::milliseconds limit, Missing missing) {
    for (int i = 0; i < (isCrowded_ ? kYields : kSpins); ++i) {
      if (missing() == 0) return hooks_.failed() ? Outcome::kFailed : Outcome::kReady;
      relax(i);
    }
    return sleep(waiters_[rank], Clock::now() + limit, missing);
  }

  // After a sequentially consistent store that makes it true: wakes the rank if that is what it sleeps for.
  void wake(int rank, uint32_t awaited) {
    Waiter& waiter = waiters_[rank];
    if (waiter.waitsFor.load() != awaited || !waiter.waitsFor.compare_exchange_strong(awaited, 0)) return;
    waiter.word.fetch_add(1);
    futexWake(waiter.word);
  }
  // Whatever they sleep for: hooks().failed() has become true.
  void wakeAll(int firstRank, int endRank) {
    for (int rank = firstRank; rank < endRank; ++rank) {
      waiters_[rank].word.fetch_add(1);
      futexWake(waiters_[rank].word);
    }
  }

 private:
  // About 50 µs where every thread of the host's ranks has a core; else the core is for the one waited for, which with four
  // ranks on two cores took an all-reduce of 1 KiB from 44 to 3.4 µs. More than these helped no further, and with others'
  // work on the cores sleeping is better: one that is woken comes before them, one that has yielded does not.
  static constexpr int kSpins = 2000, kYields = 20;

  struct alignas(64) Waiter {
    std::atomic<uint32_t> word;      // grows by each wake
    std::atomic<uint32_t> waitsFor;  // 0: awake, or woken
  };

  SharedRun(std::unique_ptr<SharedRegion> region, Waiter* waiters, bool isCrowded, Hooks hooks)
      : region_(std::move(region)), waiters_(waiters), isCrowded_(isCrowded), hooks_(std::move(hooks)) {}

  template <typename Missing>
  Outcome sleep(Waiter& waiter, Clock::time_point limit, Missing missing) {
    for (Outcome outcome = Outcome::kDeadline;;) {
      uint32_t seen = waiter.word.load();
      uint32_t first = missing();
      waiter.waitsFor.store(first);
      if (hooks_.failed()) {
        outcome = Outcome::kFailed;
      } else if (first == 0) {
        outcome = Outcome::kReady;
      } else {
        // What was missing may have come before it could be seen who waits for it.
        if (missing() != first) continue;
        auto left = limit - Clock::now();
        if (left.count() > 0) {
          futexWait(waiter.word, seen, left);
          continue;
        }
      }
      waiter.waitsFor.store(0);
      return outcome;
    }
  }

  void relax(int round) const {
    if (isCrowded_ || round % 64 == 63) {
      std::this_thread::yield();
      return;
    }
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }

  std::unique_ptr<SharedRegion> region_;
  Waiter* const waiters_;
  const bool isCrowded_;
  const Hooks hooks_;
};

}  // namespace shardwright
