// Owns who of a job's processes lives, and ending together: one dead, stopped or failed one ends all, and one process tells
// people why. It moves no data, and makes no call of MPI, which may hang where a process has died.
//
// Every process has a stream to the first one, inside a host from before MPI starts. Over it go beats with what its ranks do.
// The first process decides what all end with, and tells it: a stream that ends without a farewell is a death, beats that
// stop for the timeout are one too. Where it is the first one that dies, every other one sees it by itself, and the second tells.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/comm/processes/launched_job.h"
#include "runtime/comm/processes/life_stream.h"

namespace shardwright {

class ProcessLife {
 public:
  using Clock = std::chrono::steady_clock;
  struct Callbacks {
    std::function<void(const Status&)> tell;  // on the one process that tells people, as soon as the job fails
    std::function<void(StatusCode)> exit;     // ends the program, which has not ended by itself soon after
    std::function<void(uint32_t epoch, const Status&)> failed;  // epoch 0: the job; maybe more than once
  };

  // Begins to meet the others of this host; SIGTERM, with which launchers end a job, is a failure from then on.
  // A process that says nothing for `timeout`, or a second if that is longer, is dead or stuck.
  ProcessLife(const LaunchedJob& job, std::chrono::milliseconds timeout, Callbacks callbacks);
  ~ProcessLife();

  static std::string hostName();
  std::chrono::milliseconds timeout() const { return timeout_; }

  // How processes of other hosts find the first one, which says it; and their meeting it then.
  const std::string& address() const { return address_; }
  void meet(const std::string& firstAddress);
  void nameRanks(std::function<std::string(int process)> names);
  // What a rank of this process does now, for others to say if the process dies.
  void note(int rank, const std::string& activity);

  bool failed() const { return failed_; }
  Status failure();
  // Says to all that something failed: the job (epoch 0), or something of their own that they call by that number.
  void fail(uint32_t epoch, const Status& reason);
  // Every process calls it at its end, with how it ended; all end alike. Waits for the first process.
  Status settle(const Status& own);
  // Nobody died, so that what the others must take part in can be done.
  bool allLive();
  // Last of all. The first process waits until the others have ended.
  void leave();

  // While it is there, this process is inside a call of MPI, which is to return within the timeout.
  class Call {
   public:
    explicit Call(ProcessLife& life) : life_(life) { life_.callBegan_ = Clock::now().time_since_epoch().count(); }
    ~Call() { life_.callBegan_ = 0; }

   private:
    ProcessLife& life_;
  };

 private:
  struct Peer {
    std::unique_ptr<LifeStream> stream;  // between the first process and each other one
    Clock::time_point heard;
    std::string activity, place;
    bool left = false;
    bool isMet() const { return stream != nullptr; }
    bool isGone() const { return stream && !stream->isOpen() && !left; }
  };
  struct Stranger {
    std::unique_ptr<LifeStream> stream;
    bool inside;
  };

  static constexpr std::chrono::milliseconds kLeastTimeout{1000};
  // How long the program has after a failure to end by itself, which inside the start of MPI it cannot. One ends first, the
  // others when the launcher then ends the job: mpirun may crash where all processes end at once.
  static constexpr std::chrono::milliseconds kEnd{300}, kEndInStart{150}, kOthersEnd{800};

  void watch();
  void waitForWords();
  // All below are called under the lock.
  bool isFirst() const { return job_.process == 0; }
  void sendHello(LifeStream& stream) const;
  void answerNews();
  void seekFirst();
  void receiveAll(Clock::time_point now);
  void hear(int process, const LifeFrame& frame);
  void beat(Clock::time_point now);
  void judge(Clock::time_point now);
  void judgeStart(Clock::time_point now);
  void judgeTermination(Clock::time_point now);
  std::vector<int> notMet() const;
  // Whether the processes meet before MPI starts, because they are all of this host.
  bool isFindable() const;
  void noticeOwnStop(Clock::time_point now);
  bool wasStopped(Clock::time_point now) const { return woken_ != Clock::time_point() && now - woken_ < timeout_; }
  // What the first process decides, or another one without it.
  void decide(uint32_t epoch, Status reason, int dead);
  void tellOthers(const LifeFrame& frame);
  std::vector<int> silentFor(std::chrono::milliseconds least, Clock::time_point now) const;
  int mostSilent(Clock::time_point now, std::chrono::milliseconds least) const;
  Status death(int process, Clock::time_point now) const;
  std::string describe(int process) const;
  std::vector<int> notEnded() const;
  // After a failure: who tells people, and who ends first.
  bool isTeller() const { return job_.process == (dead_ == 0 ? 1 : 0); }
  bool endsFirst() const {
    return !isTeller() && job_.process == job_.numProcesses - (dead_ == job_.numProcesses - 1 ? 2 : 1);
  }
  bool isOverdue(Clock::time_point now) const;
  std::chrono::milliseconds tellingSilence() const;
  void endStuck();
  // Called without the lock.
  void callBack();

  const std::chrono::milliseconds timeout_, beatEvery_;
  const Callbacks callbacks_;
  LaunchedJob job_;
  std::string token_, address_, firstAddresses_;
  int inside_ = -1, outside_ = -1;  // listening
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Peer> peers_;
  std::vector<Stranger> strangers_;  // who has not said who it is yet
  Clock::time_point began_, metAt_, lastBeat_, lastLook_, terminatedAt_, failedAt_, proposedAt_, woken_;
  std::map<int, std::string> activities_;  // by rank
  std::function<std::string(int)> names_;
  Status failure_, proposed_, toTell_;
  std::vector<std::pair<uint32_t, Status>> news_;
  std::set<uint32_t> failedEpochs_;
  int dead_ = -1;
  std::atomic<bool> failed_{false};
  bool ended_ = false, wasGivenUp_ = false, stopping_ = false;
  std::atomic<int64_t> callBegan_{0};
  std::thread watcher_;
};

}  // namespace shardwright
