// Owns which elements of one collective go where between the members of a shared group, and in how many rounds. It moves
// nothing.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include "runtime/comm/communicator.h"

namespace shardwright {

// Elements of a block, in the order of the block.
struct Part {
  const StridedBlock* block = nullptr;
  int64_t begin = 0, count = 0;
};

// One operation as member `index` of `size` sees it. A round of what each member gets for itself has `laneBytes` for each, else
// `chunkBytes` for all.
class OperationParts {
 public:
  struct Sizes {
    int size, index;
    int64_t laneBytes, chunkBytes, eagerBytes;
  };

  OperationParts(const Collective& op, const Sizes& sizes);

  bool combines() const { return op_.kind == CollectiveKind::kAllReduce || op_.kind == CollectiveKind::kReduceScatter; }
  // Whether each member sends a part of its own to each, and whether each has a place for what each sends.
  bool isAddressed() const { return combines() || op_.kind == CollectiveKind::kAllToAll; }
  bool gathers() const { return op_.kind == CollectiveKind::kAllGather || op_.kind == CollectiveKind::kAllToAll; }

  // Of this member; where that is little, all of it lies in a copy.
  int64_t sentBytes() const { return sentBytes_; }
  bool isEager() const { return sentBytes_ <= sizes_.eagerBytes; }

  // What goes to that member; to any, where all get the same.
  Part sentTo(int member) const;
  const StridedBlock& receivedFrom(int member) const { return op_.recvs[gathers() ? static_cast<size_t>(member) : 0]; }
  // The members [first, last) whose blocks this one takes, and how many elements of that one's.
  std::pair<int, int> senders() const;
  int64_t expectedFrom(int member) const;

  int64_t laneElements() const { return laneElements_; }
  int64_t chunksFor(int64_t count) const { return (count + laneElements_ - 1) / laneElements_; }
  // Elements of round `round` of a part of `count`; none beyond its end.
  int64_t countIn(int64_t round, int64_t count) const {
    return std::max<int64_t>(std::min(laneElements_, count - round * laneElements_), 0);
  }
  // How many chunks this member leaves of what it sends, and of what it combined, if it is not eager.
  int64_t chunksToSend() const;
  int64_t chunksToCombine() const;
  // How many rounds it takes part in, of its own chunks and of others'.
  int64_t rounds() const;

 private:
  const Collective& op_;
  const Sizes& sizes_;
  int64_t sentBytes_, laneElements_;
};

}  // namespace shardwright
