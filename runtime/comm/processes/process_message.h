// Owns the form of what one process sends another: a header and bytes. It sends nothing.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "runtime/comm/processes/ring_queue.h"

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

  static int64_t wordsFor(int64_t payloadBytes) { return static_cast<int64_t>(kHeaderWords) + (payloadBytes + 7) / 8; }
  void resizeFor(int64_t payloadBytes) {
    resizeWords(wordsFor(payloadBytes));
    header() = MessageHeader();
    header().bytes = payloadBytes;
  }
  int64_t capacityWords() const { return static_cast<int64_t>(words_.size()); }
  void resizeWords(int64_t count) {
    if (count > capacityWords()) words_.resize(static_cast<size_t>(count));
    numWords_ = count;
  }
  void* words() { return words_.data(); }
  int64_t numWords() const { return numWords_; }
  bool isWhole() {
    return numWords_ >= static_cast<int64_t>(kHeaderWords) && header().bytes >= 0 &&
           wordsFor(header().bytes) == numWords_;
  }

 private:
  std::vector<uint64_t> words_;
  int64_t numWords_ = 0;
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

using MessageQueue = RingQueue<MessagePtr>;

}  // namespace shardwright
