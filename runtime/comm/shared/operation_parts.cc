#include "runtime/comm/shared/operation_parts.h"

#include "runtime/base/thread_pool.h"
#include "runtime/comm/strided_block.h"

namespace shardwright {
namespace {

constexpr int64_t kSliceGranule = 1024;  // members' slices of an all-reduce do not share cache lines

}  // namespace

OperationParts::OperationParts(const Collective& op, const Sizes& sizes) : op_(op), sizes_(sizes), sentBytes_(0) {
  int width = copyWidth(op.dtype);
  laneElements_ = (isAddressed() ? sizes.laneBytes : sizes.chunkBytes) / width;
  if (op.kind == CollectiveKind::kBroadcast && sizes.index != 0) return;
  for (const StridedBlock& block : op.sends) sentBytes_ += elementCount(block) * width;
}

Part OperationParts::sentTo(int member) const {
  if (op_.kind == CollectiveKind::kAllReduce) {
    Slice slice = threadSlice(elementCount(op_.recvs[0]), member, sizes_.size, kSliceGranule);
    return {&op_.sends[0], slice.begin, slice.end - slice.begin};
  }
  const StridedBlock& block = op_.sends[isAddressed() ? static_cast<size_t>(member) : 0];
  return {&block, 0, elementCount(block)};
}

std::pair<int, int> OperationParts::senders() const {
  if (op_.kind == CollectiveKind::kBroadcast) return {0, 1};
  if (op_.kind == CollectiveKind::kPermute) return {op_.peer, op_.peer + 1};
  return {0, sizes_.size};
}

int64_t OperationParts::expectedFrom(int member) const {
  if (op_.kind == CollectiveKind::kAllReduce) return sentTo(sizes_.index).count;
  return elementCount(receivedFrom(member));
}

int64_t OperationParts::chunksToSend() const {
  if (isEager()) return 0;
  int64_t most = 0;
  for (int member = 0; member < sizes_.size; ++member) {
    if (member != sizes_.index) most = std::max(most, chunksFor(sentTo(member).count));
  }
  return most;
}

int64_t OperationParts::chunksToCombine() const {
  return op_.kind == CollectiveKind::kAllReduce && !isEager() ? chunksFor(sentTo(sizes_.index).count) : 0;
}

int64_t OperationParts::rounds() const {
  int64_t most = std::max(chunksToSend(), chunksToCombine());
  auto [first, last] = senders();
  for (int member = first; member < last; ++member) {
    if (member != sizes_.index) most = std::max({most, chunksFor(expectedFrom(member)), int64_t{1}});
  }
  return most;
}

}  // namespace shardwright
