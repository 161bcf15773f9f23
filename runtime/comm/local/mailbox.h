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

// Memory is kept: once as many messages of as many bytes have been under way as ever will be, nothing is allocated.
class Mailbox {
 public:
  void put(const StridedBlock& block, DType dtype, int width);

  bool empty() const { return arrived_.load() == taken_.load(); }

  // Takes the oldest message, of which there must be one. kInternal if it is of another type or size than the block.
  Status take(const StridedBlock& block, DType dtype, int width);

 private:
  struct Message {
    std::vector<char> bytes;
    DType dtype = DType::kUndefined;
    int64_t count = 0;
  };

  std::mutex mutex_;
  std::vector<std::unique_ptr<Message>> ring_;  // message k is at k modulo the size, which only grows
  std::atomic<uint64_t> arrived_{0}, taken_{0};
};

}  // namespace shardwright
