#include "runtime/comm/shared/shared_mailbox.h"

#include <algorithm>
#include <atomic>

#include "runtime/comm/operation.h"
#include "runtime/comm/strided_block.h"

namespace shardwright {

namespace {

constexpr int64_t kLeastCapacity = 1024;

}  // namespace

// A list of messages in order. The receiver keeps the one it took last, from which it finds the next; those before it are
// the sender's again.
struct SharedMailbox::Box {
  // The sender's.
  uint64_t oldest, newest, spares;  // what it has not got back; a list
  // The receiver's.
  alignas(64) std::atomic<uint64_t> last;
};

struct SharedMailbox::Message {
  std::atomic<uint64_t> next;
  uint64_t nextSpare;
  int64_t capacity;
  int64_t count;
  DType dtype;
  alignas(64) char bytes[1];
};

bool SharedMailbox::open(SharedRegion& region, int from, int to, uint32_t channel) {
  region_ = &region;
  std::string name = "mailbox " + std::to_string(from) + "," + std::to_string(to) + "," + std::to_string(channel);
  char* found = region.find(name, sizeof(Box), [&](char* memory) {
    Box* box = reinterpret_cast<Box*>(memory);
    uint64_t none = region.allocate(sizeof(Message));
    box->oldest = box->newest = none;
    box->last.store(none);
  });
  Box* box = reinterpret_cast<Box*>(found);
  if (!box || box->last.load() == 0) return false;
  box_ = box;
  return true;
}

uint64_t SharedMailbox::spare(int64_t bytes) {
  for (uint64_t last = box_->last.load(); box_->oldest != last;) {
    Message& message = messageAt(box_->oldest);
    uint64_t place = box_->oldest;
    box_->oldest = message.next.load();
    message.nextSpare = box_->spares;
    box_->spares = place;
  }
  // One that is much too large is left for what needs it.
  for (uint64_t* place = &box_->spares; *place != 0; place = &messageAt(*place).nextSpare) {
    Message& message = messageAt(*place);
    if (message.capacity < bytes || message.capacity > std::max(kLeastCapacity, 8 * bytes)) continue;
    uint64_t found = *place;
    *place = message.nextSpare;
    return found;
  }
  int64_t capacity = kLeastCapacity;
  while (capacity < bytes) capacity *= 2;  // pages that no message fills take no memory
  uint64_t place = region_->allocate(static_cast<int64_t>(sizeof(Message)) + capacity);
  if (place != 0) messageAt(place).capacity = capacity;
  return place;
}

Status SharedMailbox::put(const StridedBlock& block, DType dtype, int width) {
  int64_t count = elementCount(block);
  uint64_t place = spare(count * width);
  if (place == 0) {
    return environmentError("no shared memory is left for a message of " + std::to_string(count * width) +
                            " bytes: its receiver is too far behind");
  }
  Message& message = messageAt(place);
  message.next.store(0);
  message.dtype = dtype;
  message.count = count;
  packElements(block, width, 0, count, message.bytes);
  messageAt(box_->newest).next.store(place);
  box_->newest = place;
  return Status();
}

bool SharedMailbox::empty() const { return messageAt(box_->last.load()).next.load() == 0; }

Status SharedMailbox::take(const StridedBlock& block, DType dtype, int width) {
  uint64_t place = messageAt(box_->last.load()).next.load();
  const Message& message = messageAt(place);
  SW_RETURN_IF_ERROR(checkMessage(block, dtype, message.count, message.dtype));
  unpackElements(block, width, 0, message.count, message.bytes);
  box_->last.store(place);
  return Status();
}

}  // namespace shardwright
