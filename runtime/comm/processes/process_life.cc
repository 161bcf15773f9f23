#include "runtime/comm/processes/process_life.h"

#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <random>
#include <sstream>
#include <tuple>

#include "runtime/comm/processes/sockets.h"

namespace shardwright {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kBeat{50};
constexpr milliseconds kLook{20};

std::atomic<bool> terminated{false};

void onTerminate(int) { terminated = true; }

void allowFiles(int count) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, limit.rlim_cur + static_cast<rlim_t>(count));
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

std::string ProcessLife::hostName() {
  char name[256] = "";
  gethostname(name, sizeof name - 1);
  return *name ? name : "?";
}

ProcessLife::ProcessLife(const LaunchedJob& job, milliseconds timeout, Callbacks callbacks)
    : timeout_(std::max(timeout, kLeastTimeout)),
      // The first process hears all of them.
      beatEvery_(std::min<milliseconds>(kBeat * (1 + job.numProcesses / 64), timeout_ / 5)),
      callbacks_(std::move(callbacks)),
      job_(job),
      peers_(static_cast<size_t>(job.numProcesses)) {
  std::signal(SIGTERM, onTerminate);
  began_ = lastBeat_ = lastLook_ = Clock::now();
  if (isFirst()) {
    allowFiles(job_.numProcesses);
    if (!job_.name.empty()) inside_ = listenInside(job_.name);
    std::random_device random;
    token_ = std::to_string(random()) + "-" + std::to_string(random());
    std::string addresses;
    if (inside_ < 0 || !job_.isOneHost()) std::tie(outside_, addresses) = listenOutside();
    address_ = token_ + " " + addresses;
  }
  watcher_ = std::thread([this] { watch(); });
}

ProcessLife::~ProcessLife() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  if (watcher_.joinable()) watcher_.join();
  for (int listening : {inside_, outside_}) {
    if (listening >= 0) close(listening);
  }
}

void ProcessLife::meet(const std::string& firstAddress) {
  std::lock_guard<std::mutex> lock(mutex_);
  metAt_ = Clock::now();
  if (isFirst() || peers_[0].isMet()) return;
  std::istringstream words(firstAddress);
  words >> token_;
  for (std::string address; words >> address;) {
    firstAddresses_ += address + " ";
    int socket = connectOutside(address);
    if (socket < 0) continue;
    strangers_.push_back({std::make_unique<LifeStream>(socket), false});
    sendHello(*strangers_.back().stream);
  }
}

void ProcessLife::nameRanks(std::function<std::string(int)> names) {
  std::lock_guard<std::mutex> lock(mutex_);
  names_ = std::move(names);
}

void ProcessLife::note(int rank, const std::string& activity) {
  std::lock_guard<std::mutex> lock(mutex_);
  activities_[rank] = activity;
}

Status ProcessLife::failure() {
  std::lock_guard<std::mutex> lock(mutex_);
  return failure_;
}

void ProcessLife::fail(uint32_t epoch, const Status& reason) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (failed_) return;
    if (isFirst()) {
      decide(epoch, reason, -1);
    } else if (peers_[0].isMet()) {
      peers_[0].stream->send(
          {LifeWord::kFail, job_.process, -1, static_cast<uint32_t>(reason.code()), epoch, reason.message()});
    } else if (proposed_.ok()) {
      proposed_ = reason;
      proposedAt_ = Clock::now();
    }
  }
  callBack();
}

Status ProcessLife::settle(const Status& own) {
  if (!own.ok()) fail(0, own);
  std::unique_lock<std::mutex> lock(mutex_);
  if (own.ok() && isFirst() && !failed_) {
    ended_ = true;
    tellOthers({LifeWord::kEnd, 0, -1, 0, 0, ""});
  }
  changed_.wait(lock, [&] { return failed_ || ended_; });
  return failure_;
}

bool ProcessLife::allLive() {
  std::lock_guard<std::mutex> lock(mutex_);
  return dead_ < 0 && !(failed_ && wasStopped(failedAt_));
}

std::vector<int> ProcessLife::notEnded() const {
  std::vector<int> found;
  for (int p = 1; p < job_.numProcesses; ++p) {
    const Peer& peer = peers_[static_cast<size_t>(p)];
    if (p != dead_ && (!peer.isMet() || peer.stream->isOpen())) found.push_back(p);
  }
  return found;
}

bool ProcessLife::isOverdue(Clock::time_point now) const {
  if (!failed_) return false;
  auto limit = !endsFirst() ? kOthersEnd : metAt_ == Clock::time_point() ? kEndInStart : kEnd;
  return now - failedAt_ > limit || terminatedAt_ != Clock::time_point();
}

// Launchers kill what is left of a job, a stopped process too; this one is not to remain where the launcher crashes.
void ProcessLife::endStuck() {
  if (dead_ < 0 || !isTeller()) return;
  const Peer& peer = peers_[static_cast<size_t>(dead_)];
  int pid = peer.isMet() && peer.stream->isOpen() ? peer.stream->processHere() : 0;
  if (pid > 0 && pid != getpid()) kill(pid, SIGKILL);
}

void ProcessLife::leave() {
  std::unique_lock<std::mutex> lock(mutex_);
  auto limit = Clock::now() + timeout_;
  if (isFirst()) {
    while (!failed_ && !notEnded().empty() && Clock::now() < limit) changed_.wait_for(lock, kLook);
    std::vector<int> late = notEnded();
    if (!late.empty() && !failed_) {
      std::string reason =
          describe(late[0]) + " has not ended " + std::to_string(timeout_.count()) + " ms after all ranks were through";
      decide(0, environmentError(reason), late[0]);
    }
  } else {
    changed_.wait_until(lock, limit, [&] { return failed_ || peers_[0].isMet(); });
  }
  if (failed_ && !endsFirst()) {
    auto mayEnd = [&] { return terminatedAt_ != Clock::time_point() || (isFirst() && notEnded().empty()); };
    changed_.wait_until(lock, failedAt_ + kOthersEnd, mayEnd);
  }
  if (!isFirst() && peers_[0].isMet()) {
    peers_[0].stream->send({LifeWord::kBye, job_.process, -1, 0, 0, ""});
    changed_.wait_until(lock, Clock::now() + kEnd, [&] { return !peers_[0].stream->hasUnsent(); });
  }
  stopping_ = true;
  endStuck();
  lock.unlock();
  watcher_.join();
  callBack();
}

void ProcessLife::callBack() {
  std::unique_lock<std::mutex> lock(mutex_);
  Status telling;
  std::swap(telling, toTell_);
  std::vector<std::pair<uint32_t, Status>> news;
  news.swap(news_);
  lock.unlock();
  if (!telling.ok() && callbacks_.tell) callbacks_.tell(telling);
  for (const auto& [epoch, reason] : news) {
    if (callbacks_.failed) callbacks_.failed(epoch, reason);
  }
}

void ProcessLife::waitForWords() {
  std::vector<pollfd> sockets;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    for (int listening : {inside_, outside_}) sockets.push_back({listening, POLLIN, 0});
    for (const Stranger& stranger : strangers_) sockets.push_back({stranger.stream->socket(), POLLIN, 0});
    for (const Peer& peer : peers_) {
      if (peer.isMet() && peer.stream->isOpen()) sockets.push_back({peer.stream->socket(), POLLIN, 0});
    }
  }
  poll(sockets.data(), sockets.size(), static_cast<int>(kLook.count()));
}

void ProcessLife::watch() {
  for (;;) {
    waitForWords();
    std::unique_lock<std::mutex> lock(mutex_);
    if (stopping_) return;
    auto now = Clock::now();
    noticeOwnStop(now);
    answerNews();
    receiveAll(now);
    beat(now);
    if (terminated && terminatedAt_ == Clock::time_point()) terminatedAt_ = now;
    if (!failed_) judge(now);
    bool over = callbacks_.exit && isOverdue(now);
    if (over) endStuck();
    StatusCode code = failure_.code();
    lock.unlock();
    changed_.notify_all();
    callBack();
    if (over) callbacks_.exit(code);
  }
}

void ProcessLife::sendHello(LifeStream& stream) const {
  stream.send({LifeWord::kHello, job_.process, -1, 0, 0,
               (token_.empty() ? "-" : token_) + " (pid " + std::to_string(getpid()) + " on " + hostName() + ")"});
}

void ProcessLife::seekFirst() {
  bool seeking = std::any_of(strangers_.begin(), strangers_.end(), [](const Stranger& one) { return one.inside; });
  if (seeking || job_.name.empty()) return;
  int socket = connectInside(job_.name);
  if (socket < 0) return;
  strangers_.push_back({std::make_unique<LifeStream>(socket), true});
  sendHello(*strangers_.back().stream);
}

void ProcessLife::answerNews() {
  for (int listening : {inside_, outside_}) {
    for (int socket; listening >= 0 && (socket = acceptFrom(listening)) >= 0;)
      strangers_.push_back({std::make_unique<LifeStream>(socket), listening == inside_});
  }
  if (!isFirst() && !peers_[0].isMet()) seekFirst();
  for (Stranger& stranger : strangers_) {
    stranger.stream->flush();
    std::vector<LifeFrame> frames = stranger.stream->receive();
    if (frames.empty()) {
      if (!stranger.stream->isOpen()) stranger.stream = nullptr;
      continue;
    }
    std::unique_ptr<LifeStream> stream = std::move(stranger.stream);
    int process = frames[0].process;
    bool known = process >= 0 && process < job_.numProcesses && process != job_.process && isFirst() != (process == 0);
    size_t space = frames[0].text.find(' ');
    bool trusted = stranger.inside || frames[0].text.substr(0, space) == token_;
    if (!known || !trusted || frames[0].word != LifeWord::kHello || peers_[static_cast<size_t>(process)].isMet())
      continue;
    Peer& peer = peers_[static_cast<size_t>(process)];
    peer.stream = std::move(stream);
    peer.heard = Clock::now();
    peer.place = space == std::string::npos ? "" : frames[0].text.substr(space);
    if (isFirst()) {
      sendHello(*peer.stream);
      if (ended_) peer.stream->send({LifeWord::kEnd, 0, -1, 0, 0, ""});
      if (failed_)
        peer.stream->send({LifeWord::kFail, 0, dead_, static_cast<uint32_t>(failure_.code()), 0, failure_.message()});
    } else if (!proposed_.ok()) {
      peer.stream->send(
          {LifeWord::kFail, job_.process, -1, static_cast<uint32_t>(proposed_.code()), 0, proposed_.message()});
    }
    for (size_t i = 1; i < frames.size(); ++i) hear(process, frames[i]);
  }
  // Of the ways to the first process, one is enough.
  bool found = !isFirst() && peers_[0].isMet();
  strangers_.erase(std::remove_if(strangers_.begin(), strangers_.end(),
                                  [&](const Stranger& stranger) { return found || !stranger.stream; }),
                   strangers_.end());
}

void ProcessLife::receiveAll(Clock::time_point now) {
  for (int p = 0; p < job_.numProcesses; ++p) {
    Peer& peer = peers_[static_cast<size_t>(p)];
    if (!peer.isMet() || !peer.stream->isOpen()) continue;
    peer.stream->flush();
    for (const LifeFrame& frame : peer.stream->receive()) {
      peer.heard = now;
      hear(p, frame);
    }
  }
}

void ProcessLife::hear(int process, const LifeFrame& frame) {
  Peer& peer = peers_[static_cast<size_t>(process)];
  Status reason(static_cast<StatusCode>(frame.code), frame.text);
  switch (frame.word) {
    case LifeWord::kHello:
      break;
    case LifeWord::kBeat:
      peer.activity = frame.text;
      break;
    case LifeWord::kFail:
      if (!reason.ok()) decide(frame.epoch, reason, frame.dead);
      break;
    case LifeWord::kEnd:
      ended_ = true;
      break;
    case LifeWord::kBye:
      peer.left = true;
      break;
  }
}

void ProcessLife::beat(Clock::time_point now) {
  if (now - lastBeat_ < beatEvery_) return;
  lastBeat_ = now;
  std::string text;
  for (const auto& [rank, what] : activities_) {
    text += (text.empty() ? "" : "; ") + (activities_.size() > 1 ? "rank " + std::to_string(rank) + ": " : "") + what;
  }
  tellOthers({LifeWord::kBeat, job_.process, -1, 0, 0, text});
}

void ProcessLife::tellOthers(const LifeFrame& frame) {
  for (Peer& peer : peers_) {
    if (peer.isMet() && peer.stream->isOpen()) peer.stream->send(frame);
  }
}

}  // namespace shardwright
