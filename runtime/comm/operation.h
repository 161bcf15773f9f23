// Owns what every communicator does with one collective alike: checking that it is well formed, and combining the members'
// blocks in member order. It moves nothing between ranks.
#pragma once

#include <string>
#include <vector>

#include "runtime/comm/communicator.h"

namespace shardwright {

const char* kindName(CollectiveKind kind);  // "all-reduce", …

// kInternal unless member `index` of a group of `size` may start it.
Status checkCollective(const Collective& op, int size, int index, const std::string& groupName);

// What a member says of its end of an operation: `count` elements for the one that looks.
struct PeerOperation {
  CollectiveKind kind;
  DType dtype;
  Combiner combiner;
  int64_t count;
};

// kInternal, with both sides, unless rank `peer` of the group has come with what rank `rank` takes for its `count` elements.
Status checkPeer(const Collective& op, const std::string& groupName, int rank, int64_t count, int peer,
                 const PeerOperation& theirs);

// kInternal, with both sides, unless a message of so many elements fills the block.
Status checkMessage(const StridedBlock& block, DType dtype, int64_t count, DType sent);

// What one member brings to a combination: its block, or packed copies of the block's elements from `packedFrom` on.
struct Contribution {
  const StridedBlock* block = nullptr;
  const char* packed = nullptr;
  int64_t packedFrom = 0;
};

// Combines the elements [begin, end) of all contributions, in their order, and writes them into every result that is not
// null. A result may be one of the blocks. Allocates nothing.
Status combineInOrder(const Collective& op, const std::vector<Contribution>& contributions, int64_t begin, int64_t end,
                      const std::vector<const StridedBlock*>& results);

}  // namespace shardwright
