// Owns the form of what one process sends another: a header and bytes. It sends nothing.
#pragma once

#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

namespace shardwright {

enum class MessageKind : uint32_t { kHello, kData };

struct MessageHeader {
  MessageKind kind = MessageKind::kData;
  uint32_t epoch = 0;  // of the fabric; 0: of the processes themselves
  int32_t from = 0, to = 0;
  uint64_t stream = 0;
  uint32_t code = 0;  // of a collective its kind and combiner
  int32_t dtype = 0;
  int64_t count = 0, bytes = 0;
};

// Words, because that is what goes over the wire; memory is kept when it is used again.
class ProcessMessage {
 public:
  static constexpr size_t kHeaderWords = sizeof(MessageHeader) / 8;
  static_assert(sizeof(MessageHeader) % 8 == 0);

  MessageHeader& header() { return *reinterpret_cast<MessageHeader*>(words_.data()); }
  char* payload() { return reinterpret_cast<char*>(words_.data() + kHeaderWords); }
  std::string text() { return std::string(payload(), static_cast<size_t>(header().bytes)); }

  void resizeFor(int64_t payloadBytes) {
    words_.resize(kHeaderWords + static_cast<size_t>((payloadBytes + 7) / 8));
    header() = MessageHeader();
    header().bytes = payloadBytes;
  }
  int64_t capacityBytes() const { return static_cast<int64_t>(words_.capacity() - kHeaderWords) * 8; }
  void resizeWords(int64_t count) { words_.resize(static_cast<size_t>(count)); }
  void* words() { return words_.data(); }
  int64_t numWords() const { return static_cast<int64_t>(words_.size()); }
  bool isWhole() {
    return words_.size() >= kHeaderWords && header().bytes >= 0 &&
           kHeaderWords + static_cast<size_t>((header().bytes + 7) / 8) == words_.size();
  }

 private:
  std::vector<uint64_t> words_;
};

using MessagePtr = std::unique_ptr<ProcessMessage>;

// What is received in one order: what `from` sends `to` on one stream. Negative ends are processes: -1 - process.
struct QueueKey {
  uint32_t epoch = 0;
  int32_t from = 0, to = 0;
  uint64_t stream = 0;
  bool operator<(const QueueKey& other) const {
    return std::tie(epoch, from, to, stream) < std::tie(other.epoch, other.from, other.to, other.stream);
  }
};

struct MessageQueue {
  std::deque<MessagePtr> messages;
};

}  // namespace shardwright
