// Owns this process's part in a job of several: messages to and from the others, who of them still lives, and ending
// together. It knows ranks only by number, and nothing of collectives.
//
// A thread of its own sends every other process a beat each 50 ms, and notices whose beats stop: a process that was killed or
// stopped says nothing more. What the process was last seen doing goes with the beats, so that the failure can name it.
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
#include <vector>

#include "runtime/base/status.h"
#include "runtime/comm/mpi/mpi_table.h"
#include "runtime/comm/processes/process_message.h"

namespace shardwright {

class ProcessLink {
 public:
  using Clock = std::chrono::steady_clock;
  enum class Outcome { kReady, kFailed, kDeadline };

  // Meets the other processes of the job; all of them call it. Where that fails, the link has failed already. One that says nothing for `timeout`, or a second if that is
  // longer, fails the link. SIGTERM, with which launchers end a job of which a process died, fails it from then on.
  // onHang: called where a call of MPI does not return, with the reason as far as it is known, and whether this process is
  // the one that tells people; it is to end the program, for which nothing else can be done.
  using OnHang = std::function<void(const Status& reason, bool reports)>;
  static StatusOr<std::unique_ptr<ProcessLink>> join(const ShardwrightMpiTable* mpi, std::chrono::milliseconds timeout,
                                                     OnHang onHang = {});
  ~ProcessLink();

  int process() const { return process_; }
  int numProcesses() const { return static_cast<int>(peers_.size()); }
  // Among the processes that may use the same CPUs of the same host: how many they are, and which one this is.
  int numSharers() const { return numSharers_; }
  int sharerIndex() const { return sharerIndex_; }

  // The processes of this host among which process ids mean the same, this one too, in order.
  std::vector<int> neighbours();

  // Fabrics are made in the same order everywhere. From its abort on, onAbort is called once for an epoch, with the reason.
  uint32_t openEpoch(std::function<void(const Status&)> onAbort);
  void closeEpoch(uint32_t epoch);
  // Tells all other processes, and this one.
  void abort(uint32_t epoch, const Status& reason);
  // Which ranks are whose, for messages to people.
  void nameRanks(std::function<std::string(int process)> names);
  // If a process has said nothing for a second: who it is and what it did.
  Status silentProcess();

  // What this process does now, for others to say if it dies.
  void note(int rank, const std::string& activity);

  MessagePtr newMessage(int64_t payloadBytes);
  void recycle(MessagePtr message);
  // Sends, without waiting; to this process itself too.
  void post(int process, MessagePtr message);
  // Where messages of the key lie; stays valid until the epoch is closed.
  MessageQueue* queue(const QueueKey& key);
  // The oldest message, which must be there.
  MessagePtr take(MessageQueue* queue);
  // Looks at queues.
  template <typename Look>
  void locked(Look look) {
    std::lock_guard<std::mutex> lock(mutex_);
    look();
  }
  // Moves messages until ready(), a failure or the limit. Both are called under the link's lock.
  Outcome waitUntil(const std::function<bool()>& ready, const std::function<bool()>& failed, Clock::time_point limit);

  // Every process calls it at its end, with how it ended; the first failure of any is what all end with. Waits for the first
  // process, which tells the others of success.
  Status settle(const Status& own);
  // After it: whether this process is the one that tells people how the job ended, the first one that lives.
  bool reports();
  // Last of all. Where a process is missing, the MPI library is left as it is, because its own farewell would wait for ever.
  void leave();

 private:
  struct Peer {
    Clock::time_point heard;
    std::string activity, host, pidSpace;  // process ids mean the same in one space of one host
    int64_t pid = 0;
    std::vector<int> cpus;
    bool hello = false, left = false, dead = false;
    bool beatUnderWay = false;
  };
  struct Sending {
    MessagePtr message;
    ShardwrightMpiHandle request;
    int process;
  };
  struct Receiving {
    MessagePtr message;
    ShardwrightMpiHandle request;
  };

  ProcessLink() = default;
  void meet(std::chrono::milliseconds timeout);
  void countSharers();
  // All below are called under the lock.
  bool progress();
  void deliver(int process, MessagePtr message);
  void send(int process, MessagePtr message);
  void tell(MessageKind kind, uint32_t epoch, const Status& status);
  void fail(const Status& reason);
  void failEpoch(uint32_t epoch, const Status& reason);
  void beat(Clock::time_point now);
  void judge(Clock::time_point now);
  // A process of this host that has ended without saying so; -1: none.
  int gone(Clock::time_point now) const;
  int mostSilent(Clock::time_point now, std::chrono::milliseconds least) const;
  std::string describe(int process) const;
  Status silence(int process, Clock::time_point now) const;
  MessagePtr spare(int64_t payloadBytes);
  void watch();
  // As judge(), while another thread is inside MPI with the lock, and does not come back.
  void judgeHung(Clock::time_point now);
  void wakeWatcher();

  const ShardwrightMpiTable* mpi_ = nullptr;
  int process_ = 0, numSharers_ = 1, sharerIndex_ = 0;
  int spins_ = 0;
  std::mutex mutex_;
  OnHang onHang_;
  std::mutex wakeMutex_;
  std::condition_variable wake_;
  bool toWake_ = false;
  std::vector<Peer> peers_;
  std::vector<Sending> outgoing_;
  std::vector<std::deque<Receiving>> incoming_;  // by process, in order
  std::vector<MessagePtr> spares_;
  std::map<QueueKey, MessageQueue> queues_;
  uint32_t lastEpoch_ = 0;
  std::map<uint32_t, std::function<void(const Status&)>> epochs_;  // open ones
  std::map<uint32_t, Status> aborted_;
  std::function<std::string(int)> names_;
  std::map<int, std::string> activities_;  // by rank
  Status failure_;
  std::atomic<bool> failed_{false};
  bool ended_ = false;  // the first process has said how all end
  std::chrono::milliseconds timeout_{60000};
  Clock::time_point lastBeat_, terminated_;  // the watcher's
  std::thread watcher_;
  bool stopping_ = false;
};

}  // namespace shardwright
