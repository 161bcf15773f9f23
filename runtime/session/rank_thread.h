// Owns the thread of one rank: its pool, its world, its executor, and handing it one task at a time. It does not decide
// what is run.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "runtime/comm/communicator.h"
#include "runtime/exec/executor.h"

namespace shardwright {

struct RankTask {
  int entry = 0;
  const std::vector<int64_t>* symbolValues = nullptr;
  const void* const* inputs = nullptr;
  void* const* outputs = nullptr;
  RankTrace* trace = nullptr;  // null: nothing is noted
};

// How many ranks are still at work, for the thread that waits for all of them.
class RankCountdown {
 public:
  void begin(int ranks) {
    std::lock_guard<std::mutex> lock(mutex_);
    left_ = ranks;
  }
  void done() {
    std::lock_guard<std::mutex> lock(mutex_);
    if (--left_ == 0) zero_.notify_all();
  }
  bool waitFor(std::chrono::milliseconds limit) {
    std::unique_lock<std::mutex> lock(mutex_);
    return zero_.wait_for(lock, limit, [&] { return left_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable zero_;
  int left_ = 0;
};

class RankThread {
 public:
  // Starts the thread, which loads the plan and then says countdown.done(); after it, loaded() is the outcome. The
  // thread keeps `self` alive until it ends.
  static std::shared_ptr<RankThread> start(std::shared_ptr<const PlanImage> image, std::unique_ptr<World> world,
                                           int numThreads, std::vector<int> cpus,
                                           std::shared_ptr<RankCountdown> countdown);

  const Status& loaded() const { return loaded_; }
  // Runs the task on the rank's thread, which then says countdown.done(). Allocates nothing.
  void post(const RankTask& task);
  // Of the last task. These are to be asked between tasks.
  const Status& result() const { return result_; }
  const Executor* executor() const { return executor_.get(); }

  // Ends the thread, waiting for it; or leaves it to itself, to end if its task ever does.
  void stop();
  void abandon();

 private:
  RankThread() = default;
  void askToStop();
  void loop(const std::shared_ptr<const PlanImage>& image, int numThreads, const std::vector<int>& cpus);

  std::unique_ptr<World> world_;
  std::shared_ptr<RankCountdown> countdown_;
  std::unique_ptr<ThreadPool> pool_;
  std::unique_ptr<Executor> executor_;
  Status loaded_, result_;
  std::mutex mutex_;
  std::condition_variable posted_;
  bool hasTask_ = false, stopping_ = false;
  RankTask task_;
  std::thread thread_;
};

}  // namespace shardwright
