#include "runtime/comm/local/mailbox.h"

#include "runtime/comm/strided_block.h"

namespace shardwright {

void Mailbox::put(const StridedBlock& block, DType dtype, int width) {
  std::lock_guard<std::mutex> lock(mutex_);
  uint64_t arrived = arrived_.load(), taken = taken_.load();
  if (arrived - taken == ring_.size()) {
    std::vector<std::unique_ptr<Message>> larger(ring_.size() * 2 + 1);
    for (uint64_t k = taken; k < arrived; ++k) larger[k % larger.size()] = std::move(ring_[k % ring_.size()]);
    for (auto& message : larger) {
      if (!message) message = std::make_unique<Message>();
    }
    ring_ = std::move(larger);
  }
  Message& message = *ring_[arrived % ring_.size()];
  message.dtype = dtype;
  message.count = elementCount(block);
  message.bytes.resize(static_cast<size_t>(message.count * width));
  packElements(block, width, 0, message.count, message.bytes.data());
  arrived_.store(arrived + 1);
}

Status Mailbox::take(const StridedBlock& block, DType dtype, int width) {
  std::lock_guard<std::mutex> lock(mutex_);
  uint64_t taken = taken_.load();
  const Message& message = *ring_[taken % ring_.size()];
  int64_t count = elementCount(block);
  if (message.dtype != dtype || message.count != count) {
    return internalError("a message of " + std::to_string(message.count) + " " + std::string(dtypeName(message.dtype)) +
                         " meets a block of " + std::to_string(count) + " " + std::string(dtypeName(dtype)));
  }
  unpackElements(block, width, 0, count, message.bytes.data());
  taken_.store(taken + 1);
  return Status();
}

}  // namespace shardwright
