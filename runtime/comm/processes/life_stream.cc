#include "runtime/comm/processes/life_stream.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "runtime/comm/processes/sockets.h"

namespace shardwright {
namespace {

struct FrameHeader {
  uint32_t word;
  int32_t process, dead;
  uint32_t code, epoch, bytes;
};

constexpr uint32_t kMostBytes = 1 << 16;

}  // namespace

LifeStream::~LifeStream() { close(socket_); }

int LifeStream::processHere() const { return processAt(socket_); }

void LifeStream::send(const LifeFrame& frame) {
  if (frame.word == LifeWord::kBeat && hasUnsent()) return flush();
  std::string text = frame.text.substr(0, kMostBytes);
  FrameHeader header{static_cast<uint32_t>(frame.word), frame.process, frame.dead, frame.code, frame.epoch,
                     static_cast<uint32_t>(text.size())};
  unsent_.append(reinterpret_cast<const char*>(&header), sizeof header);
  unsent_ += text;
  flush();
}

void LifeStream::flush() {
  while (!unsent_.empty()) {
    ssize_t sent = ::send(socket_, unsent_.data(), unsent_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR) continue;
    // That the other end is closed is seen where what it said last is received.
    if (sent < 0 && errno != EAGAIN) unsent_.clear();
    if (sent <= 0) return;
    unsent_.erase(0, static_cast<size_t>(sent));
  }
}

std::vector<LifeFrame> LifeStream::receive() {
  char bytes[4096];
  while (open_) {
    ssize_t got = recv(socket_, bytes, sizeof bytes, MSG_DONTWAIT);
    if (got > 0) {
      received_.append(bytes, static_cast<size_t>(got));
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
      open_ = false;
    } else if (errno != EINTR) {
      break;
    }
  }
  std::vector<LifeFrame> frames;
  size_t at = 0;
  for (FrameHeader header{}; received_.size() - at >= sizeof header;) {
    std::memcpy(&header, received_.data() + at, sizeof header);
    if (header.bytes > kMostBytes || header.word > static_cast<uint32_t>(LifeWord::kBye)) {
      open_ = false;  // a stranger's
      break;
    }
    if (received_.size() - at - sizeof header < header.bytes) break;
    frames.push_back({static_cast<LifeWord>(header.word), header.process, header.dead, header.code, header.epoch,
                      received_.substr(at + sizeof header, header.bytes)});
    at += sizeof header + header.bytes;
  }
  received_.erase(0, at);
  return frames;
}

}  // namespace shardwright
