// Owns the messages between two ranks of one host on one channel, in order. As local/'s, a message is copied in and copied
// out, and a sender never waits for its receiver.
#pragma once

#include <cstdint>

#include "runtime/base/dtype.h"
#include "runtime/comm/communicator.h"
#include "runtime/comm/shared/shared_region.h"

namespace shardwright {

// One end; any number of ends of one mailbox may be made, of which one thread sends and one receives. Memory is kept: once as
// many messages of as many bytes have been under way as ever will be, nothing is taken from the region.
class SharedMailbox {
 public:
  // False, and nothing else is to be called, where no room is left.
  bool open(SharedRegion& region, int from, int to, uint32_t channel);
  bool isOpen() const { return box_ != nullptr; }

  // kEnvironment where no room is left.
  Status put(const StridedBlock& block, DType dtype, int width);
  bool empty() const;
  // Takes the oldest message, of which there must be one. kInternal if it is of another type or size than the block.
  Status take(const StridedBlock& block, DType dtype, int width);

 private:
  struct Box;
  struct Message;
  Message& messageAt(uint64_t place) const { return *region_->at<Message>(place); }
  uint64_t spare(int64_t bytes);

  SharedRegion* region_ = nullptr;
  Box* box_ = nullptr;
};

}  // namespace shardwright
