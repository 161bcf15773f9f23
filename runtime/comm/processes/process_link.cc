#include "runtime/comm/processes/process_link.h"

#include <unistd.h>

#include <algorithm>
#include <optional>
#include <sstream>

#include "runtime/device/cpu/cpu_features.h"

namespace shardwright {

using std::chrono::microseconds;
using std::chrono::milliseconds;

namespace {

// How long a failed process waits for others to take what it sent.
constexpr milliseconds kFarewell{200};

std::string pidSpace() {
  char text[64] = "";
  return readlink("/proc/self/ns/pid", text, sizeof text - 1) > 0 ? text : "?";
}

}  // namespace

std::unique_ptr<ProcessLink> ProcessLink::join(StatusOr<std::unique_ptr<Transport>> transport, milliseconds timeout,
                                               Ending ending) {
  std::unique_ptr<ProcessLink> link(new ProcessLink());
  LaunchedJob job = launchedJob();
  ending.failed = [raw = link.get()](uint32_t epoch, const Status& reason) { raw->failEpochs(epoch, reason); };
  auto begin = [&](const LaunchedJob& known) {
    link->peers_.resize(static_cast<size_t>(known.numProcesses));
    link->incoming_.resize(static_cast<size_t>(known.numProcesses));
    link->process_ = known.process;
    link->life_ = std::make_unique<ProcessLife>(known, timeout, ending);
  };
  if (job.process >= 0 && job.process < job.numProcesses) begin(job);
  Status started = transport.status();
  if (started.ok()) {
    link->transport_ = std::move(transport).value();
    started = link->startTransport(job);
  }
  if (!link->life_) begin(started.ok() ? job : LaunchedJob{1, 0, 1, ""});
  if (started.ok()) started = link->meet(timeout);
  if (!started.ok()) (void)link->settle(started);
  return link;
}

// Says what the transport says of the job, where the launcher has not.
Status ProcessLink::startTransport(LaunchedJob& job) {
  std::optional<ProcessLife::Call> call;
  // Of one host, all are seen to live before MPI starts.
  if (life_ && !job.isOneHost()) call.emplace(*life_);
  int32_t process = 0, count = 0;
  if (Status joined = transport_->join(process, count); !joined.ok()) {
    transport_ = nullptr;
    return joined;
  }
  if (job.numProcesses > 1 && count != job.numProcesses) {
    return environmentError(
        "the launcher started " + std::to_string(job.numProcesses) + " processes, and MPI knows of " +
        std::to_string(count) +
        ": the launcher is of another MPI than libshardwright_mpi.so was built with; use that one's mpirun, or "
        "srun --mpi=pmix where it has PMIx");
  }
  if (life_ && process != process_) {
    return environmentError("the launcher calls this process " + std::to_string(process_) + ", and MPI calls it " +
                            std::to_string(process));
  }
  job.numProcesses = count;
  job.process = process;
  return Status();
}

Status ProcessLink::meet(milliseconds timeout) {
  std::ostringstream text;
  std::vector<int> cpus = usableCpus();
  text << ProcessLife::hostName() << ' ' << pidSpace() << ' ' << cpus.size();
  for (int cpu : cpus) text << ' ' << cpu;
  text << ' ' << life_->address();
  const std::string words = text.str();
  {
    Lock lock(*this);
    for (int p = 0; p < numProcesses(); ++p) {
      MessagePtr hello = spare(ProcessMessage::wordsFor(static_cast<int64_t>(words.size())));
      hello->resizeFor(static_cast<int64_t>(words.size()));
      hello->header().kind = MessageKind::kHello;
      words.copy(hello->payload(), words.size());
      send(p, std::move(hello));
    }
  }
  mover_ = std::thread([this] { move(); });
  auto allHere = [&] { return std::all_of(peers_.begin(), peers_.end(), [](const Peer& peer) { return peer.hello; }); };
  Outcome outcome = waitUntil(allHere, [&] { return failed(); }, Clock::now() + timeout);
  Lock lock(*this);
  if (outcome == Outcome::kReady) countSharers();
  if (outcome != Outcome::kDeadline) return life_->failure();
  std::string missing;
  for (int p = 0; p < numProcesses(); ++p) {
    if (!peers_[static_cast<size_t>(p)].hello) missing += (missing.empty() ? "" : ", ") + std::to_string(p);
  }
  return environmentError("waited " + std::to_string(timeout.count()) + " ms at the start for process " + missing +
                          " of " + std::to_string(numProcesses()) + "; a slow start needs a longer --timeout");
}

void ProcessLink::countSharers() {
  const Peer& mine = peers_[static_cast<size_t>(process_)];
  numSharers_ = sharerIndex_ = 0;
  for (int p = 0; p < numProcesses(); ++p) {
    const Peer& peer = peers_[static_cast<size_t>(p)];
    if (peer.host != mine.host || peer.cpus != mine.cpus) continue;
    if (p < process_) ++sharerIndex_;
    ++numSharers_;
  }
  // Long enough to meet a peer that comes now, where nobody else needs the core.
  spins_ = numSharers_ <= static_cast<int>(mine.cpus.size()) ? 300 : 0;
}

std::vector<int> ProcessLink::neighbours() {
  Lock lock(*this);
  const Peer& mine = peers_[static_cast<size_t>(process_)];
  std::vector<int> all;
  for (int p = 0; p < numProcesses(); ++p) {
    const Peer& peer = peers_[static_cast<size_t>(p)];
    if (peer.hello && peer.host == mine.host && peer.pidSpace == mine.pidSpace) all.push_back(p);
  }
  return all;
}

ProcessLink::~ProcessLink() {
  stopMoving();
  life_.reset();
}

uint32_t ProcessLink::openEpoch(const std::function<void(const Status&)>& onAbort) {
  Status early;
  uint32_t epoch;
  {
    std::lock_guard<std::mutex> lock(epochMutex_);
    epoch = ++lastEpoch_;
    epochs_[epoch] = onAbort;
    early = failed() ? life_->failure() : aborted_.count(epoch) ? aborted_[epoch] : Status();
  }
  if (!early.ok()) onAbort(early);
  return epoch;
}

void ProcessLink::closeEpoch(uint32_t epoch) {
  {
    std::lock_guard<std::mutex> lock(epochMutex_);
    epochs_.erase(epoch);
    aborted_.erase(epoch);
  }
  Lock lock(*this);
  for (auto it = queues_.begin(); it != queues_.end();)
    it = it->first.epoch == epoch ? queues_.erase(it) : std::next(it);
}

void ProcessLink::abort(uint32_t epoch, const Status& reason) {
  failEpochs(epoch, reason);
  life_->fail(epoch, reason);
}

// Epoch 0: all.
void ProcessLink::failEpochs(uint32_t epoch, const Status& reason) {
  std::lock_guard<std::mutex> lock(epochMutex_);
  if (epoch != 0 && !aborted_.emplace(epoch, reason).second) return;
  for (const auto& [open, onAbort] : epochs_) {
    if (open == epoch || (epoch == 0 && aborted_.emplace(open, reason).second)) onAbort(reason);
  }
}

// The smallest that has room, of these the last one, which is the likeliest to be in the cache; else the largest, which grows.
// There are never more messages than have been under way at once.
MessagePtr ProcessLink::spare(int64_t words) {
  auto isBetter = [&](int64_t capacity, int64_t than) {
    return capacity >= words ? than < words || capacity <= than : than < words && capacity >= than;
  };
  if (spares_.empty()) spares_.push_back(std::make_unique<ProcessMessage>());
  size_t best = 0;
  for (size_t i = 1; i < spares_.size(); ++i) {
    if (isBetter(spares_[i]->capacityWords(), spares_[best]->capacityWords())) best = i;
  }
  MessagePtr message = std::move(spares_[best]);
  spares_.erase(spares_.begin() + static_cast<int64_t>(best));
  message->resizeWords(words);
  return message;
}

MessagePtr ProcessLink::newMessage(int64_t payloadBytes) {
  Lock lock(*this);
  MessagePtr message = spare(ProcessMessage::wordsFor(payloadBytes));
  message->resizeFor(payloadBytes);
  return message;
}

void ProcessLink::recycle(MessagePtr message) {
  Lock lock(*this);
  spares_.push_back(std::move(message));
}

void ProcessLink::post(int process, MessagePtr message) {
  {
    Lock lock(*this);
    send(process, std::move(message));
  }
  if (process != process_) wakeMover();  // a long message needs this side's help
}

MessageQueue* ProcessLink::queue(const QueueKey& key) {
  Lock lock(*this);
  return &queues_[key];
}

MessagePtr ProcessLink::take(MessageQueue* queue) {
  Lock lock(*this);
  return queue->pop();
}

ProcessLink::Outcome ProcessLink::waitUntil(const std::function<bool()>& ready, const std::function<bool()>& failed,
                                            Clock::time_point limit) {
  for (int round = 0;; ++round) {
    {
      Lock lock(*this);
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
  if (hasLeft_) return false;
  bool moved = false;
  auto broken = [&](int status) {
    if (status >= 0) return false;
    life_->fail(0, environmentError(transport_->lastError()));
    return true;
  };
  for (size_t i = 0; i < outgoing_.size();) {
    int done = transport_->finished(outgoing_[i].transfer);
    if (broken(done)) return true;
    if (done == 0) {
      ++i;
      continue;
    }
    Sending over = std::move(outgoing_[i]);
    outgoing_[i] = std::move(outgoing_.back());
    outgoing_.pop_back();
    spares_.push_back(std::move(over.message));
  }
  for (int32_t process = 0;;) {
    int64_t words = 0;
    Transport::Handle found;
    int came = transport_->arrived(process, words, found);
    if (broken(came)) return true;
    if (came == 0) break;
    Receiving next{spare(words), {}};
    if (broken(transport_->receive(found, next.message->words(), words, next.transfer))) return true;
    incoming_[static_cast<size_t>(process)].push(std::move(next));
  }
  for (size_t process = 0; process < incoming_.size(); ++process) {
    while (!incoming_[process].empty()) {
      int done = transport_->finished(incoming_[process].front().transfer);
      if (broken(done)) return true;
      if (done == 0) break;
      MessagePtr message = incoming_[process].pop().message;
      deliver(static_cast<int>(process), std::move(message));
      moved = true;
    }
  }
  return moved;
}

void ProcessLink::deliver(int process, MessagePtr message) {
  if (!message->isWhole()) {
    return life_->fail(0, environmentError("a message of process " + std::to_string(process) + " is damaged"));
  }
  const MessageHeader header = message->header();
  if (header.kind == MessageKind::kHello) {
    Peer& peer = peers_[static_cast<size_t>(process)];
    std::istringstream text(message->text());
    size_t numCpus = 0;
    text >> peer.host >> peer.pidSpace >> numCpus;
    for (int cpu; peer.cpus.size() < numCpus && text >> cpu;) peer.cpus.push_back(cpu);
    std::string address;
    std::getline(text, address);
    if (process == 0) life_->meet(address);
    peer.hello = true;
  } else if (isOver(header.epoch)) {  // of a run that is over here
  } else {
    queues_[{header.epoch, header.from, header.to, header.stream}].push(std::move(message));
    return;
  }
  spares_.push_back(std::move(message));
}

bool ProcessLink::isOver(uint32_t epoch) {
  std::lock_guard<std::mutex> lock(epochMutex_);
  return epoch <= lastEpoch_ && !epochs_.count(epoch);
}

void ProcessLink::send(int process, MessagePtr message) {
  if (process == process_) return deliver(process, std::move(message));
  Sending sending{std::move(message), {}, process};
  if (transport_->send(process, sending.message->words(), sending.message->numWords(), sending.transfer) < 0) {
    return life_->fail(0, environmentError(transport_->lastError() + ", for process " + std::to_string(process)));
  }
  outgoing_.push_back(std::move(sending));
}

void ProcessLink::wakeMover() {
  {
    std::lock_guard<std::mutex> lock(wakeMutex_);
    toWake_ = true;
  }
  wake_.notify_one();
}

void ProcessLink::move() {
  for (;;) {
    bool busy = true;
    if (std::unique_lock<std::mutex> lock(mutex_, std::try_to_lock); lock.owns_lock()) {
      ProcessLife::Call call(*life_);
      progress();
      // What comes in parts needs this side's help too.
      auto comes = [](const RingQueue<Receiving>& from) { return !from.empty(); };
      busy = !outgoing_.empty() || std::any_of(incoming_.begin(), incoming_.end(), comes);
    }
    std::unique_lock<std::mutex> waking(wakeMutex_);
    wake_.wait_for(waking, busy ? microseconds(200) : microseconds(5000), [&] { return toWake_ || stopping_; });
    if (stopping_) return;
    toWake_ = false;
  }
}

void ProcessLink::stopMoving() {
  {
    std::lock_guard<std::mutex> lock(wakeMutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (mover_.joinable()) mover_.join();
}

Status ProcessLink::leave() {
  bool good = life_->failure().ok();
  Outcome sent = Outcome::kFailed;
  if (transport_ && life_->allLive()) {
    // After a failure, some of it has nobody that takes it.
    auto limit = Clock::now() + (good ? life_->timeout() : kFarewell);
    sent = waitUntil([&] { return outgoing_.empty(); }, [&] { return good && failed(); }, limit);
  }
  stopMoving();
  if (sent == Outcome::kReady) {
    Lock lock(*this);
    hasLeft_ = true;
    transport_->leave();
  }
  life_->leave();
  return life_->failure();
}

}  // namespace shardwright
