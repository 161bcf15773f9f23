#include "runtime/comm/processes/host_transport.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "runtime/comm/processes/ring_queue.h"
#include "runtime/comm/processes/sockets.h"

namespace shardwright {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kRetry{1};

// On a line: who calls, which the other end answers with kWelcome; then of each message how many words it has, and these.
using Word = int64_t;
constexpr int64_t kWordBytes = sizeof(Word);
constexpr char kWelcome = 'w';

std::string meetingName(const LaunchedJob& job, int process) {
  return "messages/" + std::to_string(process) + "/" + job.name;
}

// This process's end of the way to another one.
class Line {
 public:
  Line() = default;
  Line(const Line&) = delete;
  ~Line() { hangUp(); }

  // Messages have numbers: 0, 1, …
  uint64_t add(const void* words, int64_t count) {
    waiting_.push({count, static_cast<const char*>(words), 0});
    return numAdded_++;
  }
  bool isThrough(uint64_t number) const { return numThrough_ > number; }

  // Writes what the system takes now. Where the other end is gone, that is all.
  void flush(Word caller, const std::string& name) {
    if (waiting_.empty() || !isWelcome(caller, name)) return;
    while (!waiting_.empty()) {
      Piece& piece = waiting_.front();
      ssize_t sent = isBroken_ ? 0 : write(piece);
      if (sent < 0 && errno == EINTR) continue;
      if (sent < 0 && (errno == EAGAIN || errno == ENOBUFS)) return;
      isBroken_ = isBroken_ || sent < 0;
      piece.sent += sent;
      if (!isBroken_ && piece.sent < (1 + piece.count) * kWordBytes) continue;
      waiting_.pop();
      ++numThrough_;
    }
  }

 private:
  struct Piece {
    Word count = 0;
    const char* words = nullptr;
    int64_t sent = 0;  // bytes of both
  };

  // The other process may not listen yet; or what listens may be an earlier program of the job, which welcomes nobody twice.
  bool isWelcome(Word caller, const std::string& name) {
    if (isWelcome_) return true;
    auto now = Clock::now();
    if (socket_ < 0) {
      if (now - tried_ < kRetry) return false;
      tried_ = now;
      socket_ = connectInside(name);
      if (socket_ < 0) return false;
      if (::send(socket_, &caller, sizeof caller, MSG_NOSIGNAL | MSG_DONTWAIT) != sizeof caller) hangUp();
    }
    char answer = 0;
    ssize_t got = socket_ >= 0 ? recv(socket_, &answer, 1, MSG_DONTWAIT) : -1;
    isWelcome_ = got == 1 && answer == kWelcome;
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) hangUp();
    return isWelcome_;
  }

  void hangUp() {
    if (socket_ >= 0) close(socket_);
    socket_ = -1;
  }

  ssize_t write(Piece& piece) const {
    int64_t ofCount = std::min(piece.sent, kWordBytes), ofWords = piece.sent - ofCount;
    iovec parts[] = {
        {reinterpret_cast<char*>(&piece.count) + ofCount, static_cast<size_t>(kWordBytes - ofCount)},
        {const_cast<char*>(piece.words) + ofWords, static_cast<size_t>(piece.count * kWordBytes - ofWords)}};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    return sendmsg(socket_, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  }

  int socket_ = -1;
  bool isWelcome_ = false, isBroken_ = false;
  Clock::time_point tried_;
  RingQueue<Piece> waiting_;
  uint64_t numAdded_ = 0, numThrough_ = 0;
};

// This process's end of the way from another one: who that is; then a message at a time, first its count, then its words where
// they belong. Nothing comes, and `socket` is closed, from the other's end on.
class Source {
 public:
  int64_t count() const { return word_; }
  std::optional<int> process() const { return process_; }

  // Who calls, once.
  std::optional<Word> caller(int& socket) {
    if (process_ || !hasWord(socket)) return std::nullopt;
    got_ = 0;
    return word_;
  }
  void welcome(int& socket, int process) {
    process_ = process;
    if (::send(socket, &kWelcome, 1, MSG_NOSIGNAL | MSG_DONTWAIT) != 1) hangUp(socket);
  }

  // Whether a message has come that is not taken yet.
  bool hasMessage(int& socket) { return process_ && !isTaken_ && hasWord(socket); }
  void take(void* words) {
    isTaken_ = true;
    words_ = static_cast<char*>(words);
    got_ = 0;
  }
  // Whether all words of the message taken have come.
  bool isThrough(int& socket) {
    fill(socket, words_, word_ * kWordBytes);
    if (got_ < word_ * kWordBytes) return false;
    isTaken_ = false;
    got_ = 0;
    return true;
  }

  static void hangUp(int& socket) {
    if (socket >= 0) close(socket);
    socket = -1;
  }

 private:
  bool hasWord(int& socket) {
    fill(socket, reinterpret_cast<char*>(&word_), kWordBytes);
    return got_ == kWordBytes;
  }

  void fill(int& socket, char* bytes, int64_t wanted) {
    while (socket >= 0 && got_ < wanted) {
      ssize_t some = recv(socket, bytes + got_, static_cast<size_t>(wanted - got_), MSG_DONTWAIT);
      if (some < 0 && errno == EINTR) continue;
      if (some < 0 && errno == EAGAIN) return;
      if (some > 0) {
        got_ += some;
        continue;
      }
      hangUp(socket);
    }
  }

  std::optional<int> process_;
  Word word_ = 0;  // who calls, or the count
  bool isTaken_ = false;
  char* words_ = nullptr;
  int64_t got_ = 0;  // bytes, of the word or of the words
};

class HostTransport final : public Transport {
 public:
  explicit HostTransport(const LaunchedJob& job) : job_(job), lines_(static_cast<size_t>(job.numProcesses)) {
    for (int p = 0; p < job.numProcesses; ++p) names_.push_back(meetingName(job, p));
  }

  ~HostTransport() override { leave(); }

  Status join(int32_t& process, int32_t& numProcesses) override {
    int listening = listenInside(names_[static_cast<size_t>(job_.process)]);
    if (listening < 0) {
      return environmentError("process " + std::to_string(job_.process) +
                              ": no socket for messages of the others of this host: " + std::strerror(errno) +
                              "; with --world mpi they go over MPI");
    }
    addSocket(listening);
    process = job_.process;
    numProcesses = job_.numProcesses;
    return Status();
  }

  int send(int process, const void* words, int64_t count, Handle& transfer) override {
    auto to = static_cast<size_t>(process);
    uint64_t number = lines_[to].add(words, count);
    transfer.bits = (number * lines_.size() + to) * 2 + 1;
    lines_[to].flush(job_.process, names_[to]);
    return 0;
  }

  int arrived(int32_t& process, int64_t& count, Handle& message) override {
    if (poll(sockets_.data(), sockets_.size(), 0) <= 0) return 0;
    for (size_t i = 1; i < sockets_.size(); ++i) {
      if (sockets_[i].revents == 0) continue;
      if (std::optional<Word> caller = sources_[i].caller(sockets_[i].fd)) answer(i, *caller);
      if (!sources_[i].hasMessage(sockets_[i].fd)) continue;
      if (sources_[i].count() < 0) {
        Source::hangUp(sockets_[i].fd);
        continue;
      }
      process = *sources_[i].process();
      count = sources_[i].count();
      message.bits = i;
      return 1;
    }
    for (int socket; sockets_[0].revents != 0 && (socket = acceptFrom(sockets_[0].fd)) >= 0;) addSocket(socket);
    return 0;
  }

  int receive(Handle& message, void* words, int64_t, Handle& transfer) override {
    sources_[message.bits].take(words);
    transfer.bits = message.bits * 2;
    return 0;
  }

  int finished(Handle& transfer) override {
    uint64_t which = transfer.bits / 2;
    if (transfer.bits % 2 == 0) return sources_[which].isThrough(sockets_[which].fd);
    Line& line = lines_[which % lines_.size()];
    line.flush(job_.process, names_[which % lines_.size()]);
    return line.isThrough(which / lines_.size());
  }

  void leave() override {
    for (pollfd& socket : sockets_) Source::hangUp(socket.fd);
    sockets_.clear();
  }
  std::string lastError() const override { return ""; }
  std::string name() const override { return "host sockets"; }

 private:
  void answer(size_t source, Word caller) {
    bool isKnown =
        std::any_of(sources_.begin(), sources_.end(), [&](const Source& other) { return other.process() == caller; });
    if (caller < 0 || caller >= job_.numProcesses || isKnown) return Source::hangUp(sockets_[source].fd);
    sources_[source].welcome(sockets_[source].fd, static_cast<int>(caller));
  }

  void addSocket(int socket) {
    sockets_.push_back({socket, POLLIN, 0});
    sources_.emplace_back();
  }

  const LaunchedJob job_;
  std::vector<std::string> names_;  // where each process listens
  std::vector<Line> lines_;         // to each process
  std::vector<pollfd> sockets_;     // the first one listens; others are sources', -1 once closed
  std::vector<Source> sources_;
};

}  // namespace

bool canMeetInsideHost(const LaunchedJob& job) {
  return job.isOneHost() && !job.name.empty() && job.process >= 0 && job.process < job.numProcesses;
}

std::unique_ptr<Transport> makeHostTransport(const LaunchedJob& job) { return std::make_unique<HostTransport>(job); }

}  // namespace shardwright
