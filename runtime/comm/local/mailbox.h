// Owns the messages between two ranks of one process on one channel, in order. A message is copied in and copied out: a
// sender never waits for its receiver, so that two ranks may send to each other at once.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "runtime/base/dtype.h"
#include "runtime/comm/communicator.h"

namespace shardwright {

// Memory is kept. The first message of a size makes room for `atOnce` ones: as long as no more are on their way, no later one of that
// size or below allocates.
class Mailbox {
 public:
  void put(const StridedBlock& block, DType dtype, int width, int atOnce);

  bool empty() const { return arrived_.load() == taken_.load(); }

  // Takes the oldest message, of which there must be one. kInternal if it is of another type or size than the block.
  Status take(const StridedBlock& block, DType dtype, int width);

 private:
  struct Message {
    std::unique_ptr<char[]> bytes;
    DType dtype = DType::kUndefined;
    int64_t count = 0, sizeBytes = 0;
  };

  void makeRoom(size_t messages);
  void makeRoomFor(int64_t sizeBytes);

  std::mutex mutex_;
  std::vector<Message> ring_;  // message k is at k modulo the size, which only grows
  int64_t roomBytes_ = 0;      // of every message
  std::atomic<uint64_t> arrived_{0}, taken_{0};
};

}  // namespace shardwright
