#include "runtime/comm/processes/host_transport.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <string>
#include <vector>

#include "runtime/comm/processes/life_stream.h"
#include "runtime/comm/processes/ring_queue.h"

namespace shardwright {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kRetry{1};
constexpr int64_t kWordBytes = 8;

struct Head {
  int64_t process = 0;  // that sends
  int64_t words = 0;    // that follow
};
constexpr int64_t kHeadBytes = sizeof(Head);

std::string meetingName(const LaunchedJob& job, int process) {
  return "messages/" + std::to_string(process) + "/" + job.name;
}

// This process's end of the way to another one.
class Line {
 public:
  Line() = default;
  Line(const Line&) = delete;
  ~Line() {
    if (socket_ >= 0) close(socket_);
  }

  // Messages have numbers: 0, 1, …
  uint64_t add(const Head& head, const void* words) {
    waiting_.push({head, static_cast<const char*>(words), 0});
    return numAdded_++;
  }
  bool isThrough(uint64_t number) const { return numThrough_ > number; }

  // Writes what the system takes now. Where the other end is gone, that is all.
  void flush(const std::string& name) {
    if (waiting_.empty() || (socket_ < 0 && !connect(name))) return;
    while (!waiting_.empty()) {
      Piece& piece = waiting_.front();
      ssize_t sent = isBroken_ ? 0 : write(piece);
      if (sent < 0 && errno == EINTR) continue;
      if (sent < 0 && (errno == EAGAIN || errno == ENOBUFS)) return;
      isBroken_ = isBroken_ || sent < 0;
      piece.sent += sent;
      if (!isBroken_ && piece.sent < kHeadBytes + piece.head.words * kWordBytes) continue;
      waiting_.pop();
      ++numThrough_;
    }
  }

 private:
  struct Piece {
    Head head;
    const char* words = nullptr;
    int64_t sent = 0;  // bytes of both
  };

  // The other process may not listen yet.
  bool connect(const std::string& name) {
    auto now = Clock::now();
    if (now - tried_ < kRetry) return false;
    tried_ = now;
    socket_ = connectInside(name);
    return socket_ >= 0;
  }

  ssize_t write(Piece& piece) const {
    int64_t ofHead = std::min(piece.sent, kHeadBytes), ofWords = piece.sent - ofHead;
    iovec parts[] = {
        {reinterpret_cast<char*>(&piece.head) + ofHead, static_cast<size_t>(kHeadBytes - ofHead)},
        {const_cast<char*>(piece.words) + ofWords, static_cast<size_t>(piece.head.words * kWordBytes - ofWords)}};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    return sendmsg(socket_, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  }

  int socket_ = -1;
  bool isBroken_ = false;
  Clock::time_point tried_;
  RingQueue<Piece> waiting_;
  uint64_t numAdded_ = 0, numThrough_ = 0;
};

// This process's end of the way from another one: a message at a time, first its head, then its words where they belong.
class Source {
 public:
  const Head& head() const { return head_; }

  // Whether a message has come that is not taken yet. False, and `socket` closed, from the other's end on.
  bool hasMessage(int& socket) {
    if (isTaken_) return false;
    fill(socket, reinterpret_cast<char*>(&head_), kHeadBytes);
    return got_ == kHeadBytes;
  }
  void take(void* words) {
    isTaken_ = true;
    words_ = static_cast<char*>(words);
    got_ = 0;
  }
  // Whether all words of the message taken have come.
  bool isThrough(int& socket) {
    fill(socket, words_, head_.words * kWordBytes);
    if (got_ < head_.words * kWordBytes) return false;
    isTaken_ = false;
    got_ = 0;
    return true;
  }

 private:
  void fill(int& socket, char* bytes, int64_t wanted) {
    while (socket >= 0 && got_ < wanted) {
      ssize_t some = recv(socket, bytes + got_, static_cast<size_t>(wanted - got_), MSG_DONTWAIT);
      if (some < 0 && errno == EINTR) continue;
      if (some < 0 && errno == EAGAIN) return;
      if (some > 0) {
        got_ += some;
        continue;
      }
      close(socket);
      socket = -1;
    }
  }

  Head head_;
  bool isTaken_ = false;
  char* words_ = nullptr;
  int64_t got_ = 0;  // bytes, of the head or of the words
};

class HostTransport final : public Transport {
 public:
  explicit HostTransport(const LaunchedJob& job) : job_(job), lines_(static_cast<size_t>(job.numProcesses)) {
    for (int p = 0; p < job.numProcesses; ++p) names_.push_back(meetingName(job, p));
  }

  ~HostTransport() override {
    for (const pollfd& socket : sockets_) {
      if (socket.fd >= 0) close(socket.fd);
    }
  }

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
    uint64_t number = lines_[to].add({job_.process, count}, words);
    transfer.bits = (number * lines_.size() + to) * 2 + 1;
    lines_[to].flush(names_[to]);
    return 0;
  }

  int arrived(int32_t& process, int64_t& count, Handle& message) override {
    if (poll(sockets_.data(), sockets_.size(), 0) <= 0) return 0;
    for (size_t i = 1; i < sockets_.size(); ++i) {
      if (sockets_[i].revents == 0 || !sources_[i].hasMessage(sockets_[i].fd)) continue;
      const Head& head = sources_[i].head();
      if (head.process < 0 || head.process >= job_.numProcesses || head.words < 0) {
        close(sockets_[i].fd);  // a stranger's
        sockets_[i].fd = -1;
        continue;
      }
      process = static_cast<int32_t>(head.process);
      count = head.words;
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
    line.flush(names_[which % lines_.size()]);
    return line.isThrough(which / lines_.size());
  }

  void leave() override {}
  std::string lastError() const override { return ""; }
  std::string name() const override { return "host sockets"; }

 private:
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
