#include "runtime/comm/processes/process_link.h"

#include <algorithm>
#include <sstream>

namespace shardwright {

using std::chrono::microseconds;

uint32_t ProcessLink::openEpoch(std::function<void(const Status&)> onAbort) {
  Status early;
  uint32_t epoch;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    epoch = ++lastEpoch_;
    epochs_[epoch] = onAbort;
    early = failed_ ? failure_ : aborted_.count(epoch) ? aborted_[epoch] : Status();
  }
  if (!early.ok()) onAbort(early);
  return epoch;
}

void ProcessLink::closeEpoch(uint32_t epoch) {
  std::lock_guard<std::mutex> lock(mutex_);
  epochs_.erase(epoch);
  aborted_.erase(epoch);
  for (auto it = queues_.begin(); it != queues_.end();)
    it = it->first.epoch == epoch ? queues_.erase(it) : std::next(it);
}

void ProcessLink::abort(uint32_t epoch, const Status& reason) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (failed_ || aborted_.count(epoch)) return;
  tell(MessageKind::kAbort, epoch, reason);
  failEpoch(epoch, reason);
}

void ProcessLink::nameRanks(std::function<std::string(int)> names) {
  std::lock_guard<std::mutex> lock(mutex_);
  names_ = std::move(names);
}

void ProcessLink::note(int rank, const std::string& activity) {
  std::lock_guard<std::mutex> lock(mutex_);
  activities_[rank] = activity;
}

MessagePtr ProcessLink::spare(int64_t payloadBytes) {
  MessagePtr message;
  // The last ones are the likeliest to be of the right size, and in the cache.
  for (size_t i = spares_.size(); !message && i-- > 0 && i + 8 >= spares_.size();) {
    if (spares_[i]->capacityBytes() < payloadBytes) continue;
    message = std::move(spares_[i]);
    spares_.erase(spares_.begin() + static_cast<int64_t>(i));
  }
  if (!message && spares_.size() > 64) {
    message = std::move(spares_.front());
    spares_.erase(spares_.begin());
  }
  if (!message) message = std::make_unique<ProcessMessage>();
  message->resizeFor(payloadBytes);
  return message;
}

MessagePtr ProcessLink::newMessage(int64_t payloadBytes) {
  std::lock_guard<std::mutex> lock(mutex_);
  return spare(payloadBytes);
}

void ProcessLink::recycle(MessagePtr message) {
  std::lock_guard<std::mutex> lock(mutex_);
  spares_.push_back(std::move(message));
}

void ProcessLink::post(int process, MessagePtr message) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    send(process, std::move(message));
  }
  if (process != process_) wakeWatcher();  // a long message needs this side's help
}

MessageQueue* ProcessLink::queue(const QueueKey& key) {
  std::lock_guard<std::mutex> lock(mutex_);
  return &queues_[key];
}

MessagePtr ProcessLink::take(MessageQueue* queue) {
  std::lock_guard<std::mutex> lock(mutex_);
  MessagePtr message = std::move(queue->messages.front());
  queue->messages.pop_front();
  return message;
}

ProcessLink::Outcome ProcessLink::waitUntil(const std::function<bool()>& ready, const std::function<bool()>& failed,
                                            Clock::time_point limit) {
  for (int round = 0;; ++round) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (progress()) round = 0;
      if (failed()) return Outcome::kFailed;
      if (ready()) return Outcome::kReady;
    }
    if (round < spins_) continue;
    if (Clock::now() >= limit) return Outcome::kDeadline;
    if (round < spins_ + 30) {
      std::this_thread::yield();
    } else {
      std::this_thread::sleep_for(microseconds(round < spins_ + 60 ? 20 : 200));
    }
  }
}

bool ProcessLink::progress() {
  bool moved = false;
  auto broken = [&](int status) {
    if (status >= 0) return false;
    fail(environmentError(std::string("MPI: ") + mpi_->lastError()));
    return true;
  };
  for (size_t i = 0; i < outgoing_.size();) {
    int done = mpi_->finished(&outgoing_[i].request);
    if (broken(done)) return true;
    if (done == 0) {
      ++i;
      continue;
    }
    Sending over = std::move(outgoing_[i]);
    outgoing_[i] = std::move(outgoing_.back());
    outgoing_.pop_back();
    if (over.message->header().kind == MessageKind::kBeat)
      peers_[static_cast<size_t>(over.process)].beatUnderWay = false;
    spares_.push_back(std::move(over.message));
  }
  for (int32_t process = 0;;) {
    int64_t words = 0;
    ShardwrightMpiHandle found;
    int came = mpi_->arrived(&process, &words, &found);
    if (broken(came)) return true;
    if (came == 0) break;
    Receiving next{spare(words * 8), {}};
    next.message->resizeWords(words);
    if (broken(mpi_->receive(&found, next.message->words(), words, &next.request))) return true;
    incoming_[static_cast<size_t>(process)].push_back(std::move(next));
  }
  for (size_t process = 0; process < incoming_.size(); ++process) {
    while (!incoming_[process].empty()) {
      int done = mpi_->finished(&incoming_[process].front().request);
      if (broken(done)) return true;
      if (done == 0) break;
      MessagePtr message = std::move(incoming_[process].front().message);
      incoming_[process].pop_front();
      deliver(static_cast<int>(process), std::move(message));
      moved = true;
    }
  }
  return moved;
}

void ProcessLink::deliver(int process, MessagePtr message) {
  Peer& peer = peers_[static_cast<size_t>(process)];
  peer.heard = Clock::now();
  if (!message->isWhole()) return fail(environmentError("a message of " + describe(process) + " is damaged"));
  const MessageHeader header = message->header();
  switch (header.kind) {
    case MessageKind::kData:
      if (header.epoch <= lastEpoch_ && !epochs_.count(header.epoch)) break;  // of a run that is over here
      queues_[{header.epoch, header.from, header.to, header.stream}].messages.push_back(std::move(message));
      return;
    case MessageKind::kHello: {
      std::istringstream text(message->text());
      text >> peer.host >> peer.pidSpace >> peer.pid;
      for (int cpu; text >> cpu;) peer.cpus.push_back(cpu);
      peer.hello = true;
      break;
    }
    case MessageKind::kBeat:
      peer.activity = message->text();
      break;
    case MessageKind::kAbort: {
      if (header.from >= 0) peers_[static_cast<size_t>(header.from)].dead = true;
      Status reason(static_cast<StatusCode>(header.code), message->text());
      if (header.epoch == 0) {
        fail(reason);
      } else {
        failEpoch(header.epoch, reason);
      }
      break;
    }
    case MessageKind::kEnd:
      ended_ = true;
      break;
    case MessageKind::kBye:
      peer.left = true;
      break;
  }
  spares_.push_back(std::move(message));
}

void ProcessLink::send(int process, MessagePtr message) {
  if (process == process_) return deliver(process, std::move(message));
  Sending sending{std::move(message), {}, process};
  if (mpi_->send(process, sending.message->words(), sending.message->numWords(), &sending.request) < 0) {
    return fail(environmentError("MPI: " + std::string(mpi_->lastError()) + ", for " + describe(process)));
  }
  outgoing_.push_back(std::move(sending));
}

void ProcessLink::tell(MessageKind kind, uint32_t epoch, const Status& status) {
  int dead = -1;
  for (int p = 0; p < numProcesses(); ++p) {
    if (peers_[static_cast<size_t>(p)].dead) dead = p;
  }
  for (int p = 0; p < numProcesses(); ++p) {
    if (p == process_ || peers_[static_cast<size_t>(p)].dead) continue;
    MessagePtr message = spare(static_cast<int64_t>(status.message().size()));
    message->header().kind = kind;
    message->header().epoch = epoch;
    message->header().from = dead;
    message->header().code = static_cast<uint32_t>(status.code());
    status.message().copy(message->payload(), status.message().size());
    send(p, std::move(message));
  }
}

void ProcessLink::fail(const Status& reason) {
  if (failed_) return;
  failure_ = reason;
  failed_ = true;
  for (const auto& [epoch, onAbort] : epochs_) {
    if (!aborted_.count(epoch)) onAbort(reason);
  }
}

void ProcessLink::failEpoch(uint32_t epoch, const Status& reason) {
  if (!aborted_.emplace(epoch, reason).second) return;
  auto open = epochs_.find(epoch);
  if (open != epochs_.end() && !failed_) open->second(reason);
}

}  // namespace shardwright
