#include "runtime/comm/local/mailbox.h"

#include "runtime/comm/operation.h"
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
  SW_RETURN_IF_ERROR(checkMessage(block, dtype, message.count, message.dtype));
  unpackElements(block, width, 0, message.count, message.bytes.data());
  taken_.store(taken + 1);
  return Status();
}

}  // namespace shardwright
