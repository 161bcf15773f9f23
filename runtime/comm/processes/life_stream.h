// Owns what two processes of a job say of each other's life, in order and then its end, over a socket of their own, which
// works where a call of MPI hangs. It judges nothing.
#pragma once

#include <cstdint>
#include <string>
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

}  // namespace shardwright
