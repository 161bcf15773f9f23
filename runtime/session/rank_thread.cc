#include "runtime/session/rank_thread.h"

namespace shardwright {

std::shared_ptr<RankThread> RankThread::start(std::shared_ptr<const PlanImage> image, std::unique_ptr<World> world,
                                              int numThreads, std::vector<int> cpus,
                                              std::shared_ptr<RankCountdown> countdown) {
  std::shared_ptr<RankThread> rank(new RankThread());
  rank->world_ = std::move(world);
  rank->countdown_ = std::move(countdown);
  rank->thread_ =
      std::thread([rank, image, numThreads, cpus = std::move(cpus)] { rank->loop(image, numThreads, cpus); });
  return rank;
}

void RankThread::loop(const std::shared_ptr<const PlanImage>& image, int numThreads, const std::vector<int>& cpus) {
  if (!cpus.empty()) ThreadPool::pinCurrentThread(cpus[0]);
  pool_ = std::make_unique<ThreadPool>(numThreads, cpus);
  auto executor = Executor::load(image, *world_, *pool_);
  loaded_ = executor.ok() ? Status() : executor.status();
  if (executor.ok()) executor_ = std::move(executor).value();
  countdown_->done();
  for (;;) {
    RankTask task;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      posted_.wait(lock, [&] { return hasTask_ || stopping_; });
      if (stopping_) break;
      task = task_;
      hasTask_ = false;
    }
    result_ = executor_->run(task.entry, *task.symbolValues, task.inputs, task.outputs, task.trace);
    countdown_->done();
  }
  executor_.reset();  // its memory and the pool's threads end with the thread that used them
  pool_.reset();
}

void RankThread::post(const RankTask& task) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    task_ = task;
    hasTask_ = true;
  }
  posted_.notify_one();
}

void RankThread::askToStop() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  posted_.notify_one();
}

void RankThread::stop() {
  askToStop();
  thread_.join();
}

void RankThread::abandon() {
  askToStop();
  thread_.detach();
}

}  // namespace shardwright
