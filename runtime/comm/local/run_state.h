// Owns what all ranks of a local run share besides groups and messages: whether the run has failed, and where each rank
// waits.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/comm/local/rank_waiter.h"

namespace shardwright {

class RunState {
 public:
  RunState(int numRanks, int spins) : waiters_(static_cast<size_t>(numRanks)) {
    for (RankWaiter& waiter : waiters_) waiter.setSpins(spins);
  }

  int size() const { return static_cast<int>(waiters_.size()); }
  bool failed() const { return failed_.load(); }

  // The first reason given to abort().
  Status reason() const {
    std::lock_guard<std::mutex> lock(mutex_);
    return reason_;
  }

  // What a wait of another rank returns after abort().
  Status failure() const { return environmentError(reason().message()); }

  void abort(const Status& reason) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (failed_.load()) return;
      reason_ = reason;
      failed_.store(true);
    }
    for (RankWaiter& waiter : waiters_) waiter.wake();
  }

  RankWaiter& waiter(int rank) { return waiters_[static_cast<size_t>(rank)]; }

  enum class Outcome { kReady, kFailed, kDeadline };

  // Waits on behalf of `rank` until ready(), a failure of the run, or the limit.
  template <typename Ready>
  Outcome wait(int rank, std::chrono::milliseconds limit, Ready ready) {
    bool came = waiter(rank).waitUntil([&] { return ready() || failed(); }, limit);
    if (failed()) return Outcome::kFailed;
    return came ? Outcome::kReady : Outcome::kDeadline;
  }

 private:
  mutable std::mutex mutex_;
  Status reason_;
  std::atomic<bool> failed_{false};
  std::vector<RankWaiter> waiters_;
};

}  // namespace shardwright
