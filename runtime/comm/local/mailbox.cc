#include "runtime/comm/local/mailbox.h"

#include <algorithm>
#include <cstring>

#include "runtime/comm/operation.h"
#include "runtime/comm/strided_block.h"

namespace shardwright {

void Mailbox::put(const StridedBlock& block, DType dtype, int width, int atOnce) {
  std::lock_guard<std::mutex> lock(mutex_);
  uint64_t arrived = arrived_.load(), taken = taken_.load();
  if (arrived - taken == ring_.size()) makeRoom(std::max(static_cast<size_t>(atOnce), ring_.size() * 2 + 1));
  int64_t count = elementCount(block);
  if (count * width > roomBytes_) makeRoomFor(count * width);
  Message& message = ring_[arrived % ring_.size()];
  message.dtype = dtype;
  message.count = count;
  message.sizeBytes = count * width;
  packElements(block, width, 0, count, message.bytes.get());
  arrived_.store(arrived + 1);
}

void Mailbox::makeRoom(size_t messages) {
  std::vector<Message> larger(messages);
  for (uint64_t k = taken_.load(); k < arrived_.load(); ++k) larger[k % messages] = std::move(ring_[k % ring_.size()]);
  ring_ = std::move(larger);
  for (Message& message : ring_)
    if (!message.bytes) message.bytes.reset(new char[static_cast<size_t>(roomBytes_)]);
}

void Mailbox::makeRoomFor(int64_t sizeBytes) {
  for (Message& message : ring_) {
    std::unique_ptr<char[]> larger(new char[static_cast<size_t>(sizeBytes)]);
    if (message.sizeBytes > 0) std::memcpy(larger.get(), message.bytes.get(), static_cast<size_t>(message.sizeBytes));
    message.bytes = std::move(larger);
  }
  roomBytes_ = sizeBytes;
}

Status Mailbox::take(const StridedBlock& block, DType dtype, int width) {
  std::lock_guard<std::mutex> lock(mutex_);
  uint64_t taken = taken_.load();
  const Message& message = ring_[taken % ring_.size()];
  SW_RETURN_IF_ERROR(checkMessage(block, dtype, message.count, message.dtype));
  unpackElements(block, width, 0, message.count, message.bytes.get());
  taken_.store(taken + 1);
  return Status();
}

}  // namespace shardwright
