// Owns this process's part in a job of several: messages of data to and from the others, over a transport. It knows ranks only by
// number, and nothing of collectives; who of the others lives is ProcessLife's.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/comm/processes/process_life.h"
#include "runtime/comm/processes/process_message.h"
#include "runtime/comm/processes/transport.h"

namespace shardwright {

class ProcessLink {
 public:
  using Clock = std::chrono::steady_clock;
  enum class Outcome { kReady, kFailed, kDeadline };

  // Meets the other processes of the job; all of them call it. Where that fails, the link has failed already.
  // One that says nothing for `timeout`, or a second if that is longer, fails the link.
  using Ending = ProcessLife::Callbacks;  // `failed` is the link's own
  static std::unique_ptr<ProcessLink> join(StatusOr<std::unique_ptr<Transport>> transport,
                                           std::chrono::milliseconds timeout, Ending ending = {});
  ~ProcessLink();

  int process() const { return process_; }
  int numProcesses() const { return static_cast<int>(peers_.size()); }
  bool failed() const { return life_->failed(); }
  // Where the link has not failed.
  std::string transportName() const { return transport_->name(); }
  // Among the processes that may use the same CPUs of the same host: how many they are, and which one this is.
  int numSharers() const { return numSharers_; }
  int sharerIndex() const { return sharerIndex_; }

  // The processes of this host among which process ids mean the same, this one too, in order.
  std::vector<int> neighbours();

  // Fabrics are made in the same order everywhere. From its abort on, onAbort is called once for an epoch, with the reason.
  uint32_t openEpoch(const std::function<void(const Status&)>& onAbort);
  void closeEpoch(uint32_t epoch);
  // Tells all other processes, and this one.
  void abort(uint32_t epoch, const Status& reason);
  // Which ranks are whose, for messages to people.
  void nameRanks(std::function<std::string(int process)> names) { life_->nameRanks(std::move(names)); }
  // What this process does now, for others to say if it dies.
  void note(int rank, const std::string& activity) { life_->note(rank, activity); }

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
    Lock lock(*this);
    look();
  }
  // Moves messages until ready(), a failure or the limit. Both are called under the link's lock.
  Outcome waitUntil(const std::function<bool()>& ready, const std::function<bool()>& failed, Clock::time_point limit);

  // Every process calls it at its end, with how it ended; the first failure of any is what all end with. Waits for the first
  // process, which tells the others of success.
  Status settle(const Status& own) { return life_->settle(own); }
  // Last of all; how the job ended. Where a process is missing, the transport is left as it is, because MPI's farewell
  // would wait for ever.
  Status leave();

 private:
  struct Peer {
    std::string host, pidSpace;  // process ids mean the same in one space of one host
    std::vector<int> cpus;
    bool hello = false;
  };
  // Holds the lock, under which alone the transport is called; one call that does not return is noticed.
  class Lock {
   public:
    explicit Lock(ProcessLink& link) : lock_(link.mutex_), call_(*link.life_) {}

   private:
    std::lock_guard<std::mutex> lock_;
    ProcessLife::Call call_;
  };
  struct Sending {
    MessagePtr message;
    Transport::Handle transfer;
    int process;
  };
  struct Receiving {
    MessagePtr message;
    Transport::Handle transfer;
  };

  ProcessLink() = default;
  Status startTransport(LaunchedJob& job);
  Status meet(std::chrono::milliseconds timeout);
  void countSharers();
  void move();
  void wakeMover();
  void stopMoving();
  void failEpochs(uint32_t epoch, const Status& reason);
  bool isOver(uint32_t epoch);
  // All below are called under the lock.
  bool progress();
  void deliver(int process, MessagePtr message);
  void send(int process, MessagePtr message);
  MessagePtr spare(int64_t words);

  std::unique_ptr<Transport> transport_;  // null: there is none, or it could not start
  int process_ = 0, numSharers_ = 1, sharerIndex_ = 0;
  int spins_ = 0;
  bool hasLeft_ = false;
  std::unique_ptr<ProcessLife> life_;
  std::mutex mutex_;
  std::mutex wakeMutex_;
  std::condition_variable wake_;
  bool toWake_ = false;
  std::vector<Peer> peers_;
  std::vector<Sending> outgoing_;
  std::vector<RingQueue<Receiving>> incoming_;  // by process, in order
  std::vector<MessagePtr> spares_;
  std::map<QueueKey, MessageQueue> queues_;
  // Not under the lock above: failures come while a call of MPI hangs.
  std::mutex epochMutex_;
  uint32_t lastEpoch_ = 0;
  std::map<uint32_t, std::function<void(const Status&)>> epochs_;  // open ones
  std::map<uint32_t, Status> aborted_;
  std::thread mover_;
  bool stopping_ = false;
};

}  // namespace shardwright
