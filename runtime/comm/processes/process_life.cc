// Who of the processes lives: meeting, beats, whose beats stop, and ending together.
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <sstream>

#include "runtime/comm/processes/process_link.h"
#include "runtime/device/cpu/cpu_features.h"

namespace shardwright {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr milliseconds kBeat{50};
constexpr milliseconds kLeastTimeout{1000};
// After SIGTERM: how long to look whose beats have stopped, and how many are missed by then. Launchers give a second.
constexpr milliseconds kLastLook{400}, kMissedBeats{250};

// How long a failed process waits for the others' farewell: they may be gone.
constexpr milliseconds kFarewell{300};

std::atomic<bool> terminated{false};

void onTerminate(int) { terminated = true; }

std::string hostName() {
  char name[256] = "";
  gethostname(name, sizeof name - 1);
  return *name ? name : "?";
}

std::string pidSpace() {
  char text[64] = "";
  return readlink("/proc/self/ns/pid", text, sizeof text - 1) > 0 ? text : "?";
}

}  // namespace

StatusOr<std::unique_ptr<ProcessLink>> ProcessLink::join(const ShardwrightMpiTable* mpi, milliseconds timeout,
                                                         OnHang onHang) {
  std::unique_ptr<ProcessLink> link(new ProcessLink());
  int32_t process = 0, count = 0;
  if (mpi->join(&process, &count) < 0) return environmentError(std::string("MPI: ") + mpi->lastError());
  link->mpi_ = mpi;
  link->onHang_ = std::move(onHang);
  link->process_ = process;
  link->peers_.resize(static_cast<size_t>(count));
  link->incoming_.resize(static_cast<size_t>(count));
  link->timeout_ = std::max(timeout, kLeastTimeout);
  std::signal(SIGTERM, onTerminate);
  link->meet(timeout);
  return link;
}

ProcessLink::~ProcessLink() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  wakeWatcher();
  if (watcher_.joinable()) watcher_.join();
}

void ProcessLink::meet(milliseconds timeout) {
  std::ostringstream text;
  text << hostName() << ' ' << pidSpace() << ' ' << getpid();
  for (int cpu : usableCpus()) text << ' ' << cpu;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    for (Peer& peer : peers_) peer.heard = Clock::now();
    for (int p = 0; p < numProcesses(); ++p) {
      std::string words = text.str();
      MessagePtr hello = spare(static_cast<int64_t>(words.size()));
      hello->header().kind = MessageKind::kHello;
      words.copy(hello->payload(), words.size());
      send(p, std::move(hello));
    }
  }
  lastBeat_ = Clock::now();
  watcher_ = std::thread([this] { watch(); });
  auto allHere = [&] { return std::all_of(peers_.begin(), peers_.end(), [](const Peer& peer) { return peer.hello; }); };
  Outcome outcome = waitUntil(allHere, [&] { return failed_.load(); }, Clock::now() + timeout);
  std::lock_guard<std::mutex> lock(mutex_);
  if (outcome == Outcome::kReady) countSharers();
  if (outcome != Outcome::kDeadline) return;
  std::string missing;
  for (int p = 0; p < numProcesses(); ++p) {
    if (!peers_[static_cast<size_t>(p)].hello) missing += (missing.empty() ? "" : ", ") + std::to_string(p);
  }
  Status reason =
      environmentError("waited " + std::to_string(timeout.count()) + " ms at the start for process " + missing +
                       " of " + std::to_string(numProcesses()) + "; a slow start needs a longer --timeout");
  tell(MessageKind::kAbort, 0, reason);
  fail(reason);
}

void ProcessLink::countSharers() {
  const Peer& mine = peers_[static_cast<size_t>(process_)];
  int onHost = 0;
  numSharers_ = sharerIndex_ = 0;
  for (int p = 0; p < numProcesses(); ++p) {
    const Peer& peer = peers_[static_cast<size_t>(p)];
    if (peer.host != mine.host) continue;
    ++onHost;
    if (peer.cpus != mine.cpus) continue;
    if (p < process_) ++sharerIndex_;
    ++numSharers_;
  }
  // Long enough to meet a peer that comes now, where nobody else needs the core.
  spins_ = numSharers_ <= static_cast<int>(mine.cpus.size()) ? 300 : 0;
}

std::vector<int> ProcessLink::neighbours() {
  std::lock_guard<std::mutex> lock(mutex_);
  const Peer& mine = peers_[static_cast<size_t>(process_)];
  std::vector<int> all;
  for (int p = 0; p < numProcesses(); ++p) {
    const Peer& peer = peers_[static_cast<size_t>(p)];
    if (peer.hello && peer.host == mine.host && peer.pidSpace == mine.pidSpace) all.push_back(p);
  }
  return all;
}

Status ProcessLink::silentProcess() {
  std::lock_guard<std::mutex> lock(mutex_);
  auto now = Clock::now();
  int process = mostSilent(now, kLeastTimeout);
  return process < 0 ? Status() : silence(process, now);
}

std::string ProcessLink::describe(int process) const {
  const Peer& peer = peers_[static_cast<size_t>(process)];
  std::string ranks = names_ ? names_(process) : "";
  return (ranks.empty() ? "" : ranks + ": ") + "process " + std::to_string(process) +
         (peer.hello ? " (pid " + std::to_string(peer.pid) + " on " + peer.host + ")" : "");
}

Status ProcessLink::silence(int process, Clock::time_point now) const {
  const Peer& peer = peers_[static_cast<size_t>(process)];
  auto silent = std::chrono::duration_cast<milliseconds>(now - peer.heard);
  return environmentError(
      describe(process) + " is dead or stuck: nothing was heard of it for " + std::to_string(silent.count()) + " ms; " +
      (peer.activity.empty() ? "it had begun no exchange with others" : "it was last in " + peer.activity));
}

int ProcessLink::gone(Clock::time_point now) const {
  const Peer& mine = peers_[static_cast<size_t>(process_)];
  for (int p = 0; p < numProcesses(); ++p) {
    const Peer& peer = peers_[static_cast<size_t>(p)];
    // What it said at its end may still be on its way.
    if (p == process_ || peer.left || !peer.hello || now - peer.heard < kMissedBeats) continue;
    if (peer.host != mine.host || peer.pidSpace != mine.pidSpace) continue;
    if (kill(static_cast<pid_t>(peer.pid), 0) != 0 && errno == ESRCH) return p;
  }
  return -1;
}

int ProcessLink::mostSilent(Clock::time_point now, milliseconds least) const {
  int found = -1;
  for (int p = 0; p < numProcesses(); ++p) {
    const Peer& peer = peers_[static_cast<size_t>(p)];
    if (p == process_ || peer.left || now - peer.heard < least) continue;
    if (found < 0 || peer.heard < peers_[static_cast<size_t>(found)].heard) found = p;
  }
  return found;
}

void ProcessLink::beat(Clock::time_point now) {
  if (now - lastBeat_ < kBeat) return;
  // This process was stopped itself: it cannot say who is silent, and after so long the others have said that it is.
  if (now - lastBeat_ > kLeastTimeout) {
    for (Peer& peer : peers_) peer.heard = now;
  }
  if (now - lastBeat_ >= timeout_) {
    peers_[static_cast<size_t>(process_)].dead = true;
    fail(environmentError("this process was stopped for longer than the others wait for it"));
  }
  lastBeat_ = now;
  std::string activity;
  for (const auto& [rank, what] : activities_) {
    activity +=
        (activity.empty() ? "" : "; ") + (activities_.size() > 1 ? "rank " + std::to_string(rank) + ": " : "") + what;
  }
  for (int p = 0; p < numProcesses(); ++p) {
    Peer& peer = peers_[static_cast<size_t>(p)];
    if (p == process_ || peer.beatUnderWay || peer.left || peer.dead) continue;
    MessagePtr message = spare(static_cast<int64_t>(activity.size()));
    message->header().kind = MessageKind::kBeat;
    activity.copy(message->payload(), activity.size());
    peer.beatUnderWay = true;
    send(p, std::move(message));
  }
}

void ProcessLink::judge(Clock::time_point now) {
  if (failed_) return;
  Status reason;
  int silent = gone(now);
  if (silent < 0) silent = mostSilent(now, timeout_);
  if (silent >= 0) {
    reason = silence(silent, now);
  } else if (terminated) {
    if (now - terminated_ < kLastLook) return;
    silent = mostSilent(now, kMissedBeats);
    reason = silent >= 0 ? silence(silent, now) : environmentError("ended from outside by SIGTERM");
  }
  if (reason.ok()) return;
  if (silent >= 0) peers_[static_cast<size_t>(silent)].dead = true;
  tell(MessageKind::kAbort, 0, reason);
  fail(reason);
}

// Nothing changes under the lock then, so that it may be read without it.
void ProcessLink::judgeHung(Clock::time_point now) {
  Status reason = failure_;
  int silent = gone(now);
  bool known = silent >= 0;
  for (const Sending& sending : outgoing_) {  // MPI libraries hang on those who do not take what is sent
    const Peer& peer = peers_[static_cast<size_t>(sending.process)];
    if (!known && !peer.left && (silent < 0 || peer.heard < peers_[static_cast<size_t>(silent)].heard))
      silent = sending.process;
  }
  if (silent < 0) silent = mostSilent(now, kMissedBeats);
  if (reason.ok()) reason = silent >= 0 ? silence(silent, now) : environmentError("a call of MPI does not return");
  onHang_(reason, process_ == (silent == 0 ? 1 : 0));
}

void ProcessLink::wakeWatcher() {
  {
    std::lock_guard<std::mutex> lock(wakeMutex_);
    toWake_ = true;
  }
  wake_.notify_one();
}

void ProcessLink::watch() {
  auto lastLock = Clock::now();
  for (;;) {
    auto now = Clock::now();
    if (terminated && terminated_ == Clock::time_point()) terminated_ = now;
    std::unique_lock<std::mutex> lock(mutex_, std::try_to_lock);
    if (!lock.owns_lock()) {
      auto patience = terminated ? kLastLook : std::chrono::duration_cast<milliseconds>(timeout_);
      bool late = now - lastLock > patience && (!terminated || now - terminated_ > kLastLook);
      if (onHang_ && (late || (now - lastLock > kMissedBeats && gone(now) >= 0))) judgeHung(now);
      std::this_thread::sleep_for(microseconds(100));
      continue;
    }
    lastLock = now;
    if (stopping_) return;
    progress();
    beat(now);
    judge(now);
    bool busy = std::any_of(outgoing_.begin(), outgoing_.end(), [](const Sending& sending) {
      return sending.message->header().kind == MessageKind::kData;
    });
    lock.unlock();
    std::unique_lock<std::mutex> waking(wakeMutex_);
    wake_.wait_for(waking, busy ? microseconds(200) : microseconds(5000), [&] { return toWake_; });
    toWake_ = false;
  }
}

Status ProcessLink::settle(const Status& own) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!own.ok() && !failed_) {
      tell(MessageKind::kAbort, 0, own);
      fail(own);
    }
    if (own.ok() && process_ == 0 && !failed_) {
      tell(MessageKind::kEnd, 0, own);
      ended_ = true;
    }
  }
  // The first process may still compare and write; that it lives is seen by its beats.
  waitUntil([&] { return ended_; }, [&] { return failed_.load(); }, Clock::time_point::max());
  std::lock_guard<std::mutex> lock(mutex_);
  return failure_;
}

bool ProcessLink::reports() {
  std::lock_guard<std::mutex> lock(mutex_);
  auto now = Clock::now();
  if (peers_[static_cast<size_t>(process_)].dead) return false;
  for (int p = 0; p < process_; ++p) {
    const Peer& peer = peers_[static_cast<size_t>(p)];
    if (!peer.dead && peer.hello && (peer.left || now - peer.heard < kLeastTimeout)) return false;
  }
  return true;
}

void ProcessLink::leave() {
  bool missing;
  Status result;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    tell(MessageKind::kBye, 0, Status());
    peers_[static_cast<size_t>(process_)].left = true;
    missing = std::any_of(peers_.begin(), peers_.end(), [](const Peer& peer) { return peer.dead; });
    result = failure_;
  }
  auto allLeft = [&] {
    return outgoing_.empty() && std::all_of(peers_.begin(), peers_.end(), [](const Peer& peer) { return peer.left; });
  };
  Outcome outcome = waitUntil(allLeft, [] { return false; }, Clock::now() + (result.ok() ? timeout_ : kFarewell));
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  wakeWatcher();
  watcher_.join();
  if (missing || outcome != Outcome::kReady) return;
  // The library's own farewell has no deadline.
  if (onHang_) {
    std::thread([result, limit = timeout_, onHang = onHang_] {
      std::this_thread::sleep_for(limit);
      onHang(result, false);
    }).detach();
  }
  mpi_->leave();
}

}  // namespace shardwright
