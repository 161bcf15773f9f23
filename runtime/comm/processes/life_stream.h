// Owns what two processes of a job say of each other's life, in order and then its end, over a socket of their own, which
// works where a call of MPI hangs. It judges nothing.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace shardwright {

enum class LifeWord : uint32_t { kHello, kBeat, kFail, kEnd, kBye };

struct LifeFrame {
  LifeWord word = LifeWord::kBeat;
  int32_t process = 0;  // who says it
  int32_t dead = -1;    // of a failure: the process that it is due to
  uint32_t code = 0, epoch = 0;
  std::string text;
};

// One end. No call of it waits; the thread that uses it is to be one at a time.
class LifeStream {
 public:
  explicit LifeStream(int socket) : socket_(socket) {}
  LifeStream(const LifeStream&) = delete;
  ~LifeStream();

  int socket() const { return socket_; }
  // The process at the other end, if it is of this host; else 0.
  int processHere() const;
  // False once the other end is closed, as the system does for a process that ends, and all it said has been received.
  bool isOpen() const { return open_; }
  bool hasUnsent() const { return !unsent_.empty(); }
  void send(const LifeFrame& frame);
  void flush();
  std::vector<LifeFrame> receive();

 private:
  int socket_;
  bool open_ = true;
  std::string unsent_, received_;
};

// Sockets that listen: one that processes of this host and user find by the job's name, which vanishes with the process, and
// one for other hosts, whose addresses are "1.2.3.4:567 [ab::cd]:567". -1 where the system refuses.
int listenInside(const std::string& job);
std::pair<int, std::string> listenOutside();
// The next connection; -1 if there is none.
int acceptFrom(int listening);
// -1 where nobody listens. The second may turn out not to lead anywhere later.
int connectInside(const std::string& job);
int connectOutside(const std::string& address);

}  // namespace shardwright
