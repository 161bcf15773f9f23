#include "runtime/comm/operation.h"

#include <algorithm>

#include "runtime/comm/combine.h"
#include "runtime/comm/strided_block.h"

namespace shardwright {
namespace {

constexpr int64_t kChunkElements = 2048;  // accumulators and one packed chunk stay in the first-level cache

}  // namespace

const char* kindName(CollectiveKind kind) {
  switch (kind) {
    case CollectiveKind::kAllReduce:
      return "all-reduce";
    case CollectiveKind::kAllGather:
      return "all-gather";
    case CollectiveKind::kReduceScatter:
      return "reduce-scatter";
    case CollectiveKind::kAllToAll:
      return "all-to-all";
    case CollectiveKind::kBroadcast:
      return "broadcast";
    case CollectiveKind::kPermute:
      break;
  }
  return "permute";
}

Status checkCollective(const Collective& op, int size, int index, const std::string& groupName) {
  size_t n = static_cast<size_t>(size);
  size_t sends = 1, recvs = 1;
  if (op.kind == CollectiveKind::kAllGather || op.kind == CollectiveKind::kAllToAll) recvs = n;
  if (op.kind == CollectiveKind::kReduceScatter || op.kind == CollectiveKind::kAllToAll) sends = n;
  if (op.kind == CollectiveKind::kBroadcast && index != 0) sends = op.sends.size();
  auto where = [&] { return op.name + ": " + kindName(op.kind) + " over group " + groupName; };
  if (op.sends.size() != sends || op.recvs.size() != recvs) {
    return internalError(where() + " of " + std::to_string(n) + " members has " + std::to_string(op.sends.size()) +
                         " blocks to send and " + std::to_string(op.recvs.size()) + " to receive; it takes " +
                         std::to_string(sends) + " and " + std::to_string(recvs));
  }
  if (copyWidth(op.dtype) == 0) {
    return internalError(where() + ": elements of type " + std::string(dtypeName(op.dtype)) +
                         " cannot be moved one by one");
  }
  if (op.kind == CollectiveKind::kPermute && (op.peer < 0 || op.peer >= size)) {
    return internalError(where() + ": peer " + std::to_string(op.peer) + " is no member of " + std::to_string(n));
  }
  if (op.kind == CollectiveKind::kAllReduce || op.kind == CollectiveKind::kReduceScatter) {
    auto combination = combinationOf(op.combiner, op.dtype);
    if (!combination.ok()) return combination.status().within(where());
  }
  if (op.kind == CollectiveKind::kAllReduce && elementCount(op.sends[0]) != elementCount(op.recvs[0])) {
    return internalError(where() + " of " + std::to_string(elementCount(op.sends[0])) + " elements has room for " +
                         std::to_string(elementCount(op.recvs[0])));
  }
  return Status();
}

Status checkPeer(const Collective& op, const std::string& groupName, int rank, int64_t count, int peer,
                 const PeerOperation& theirs) {
  auto mismatch = [&](const std::string& found, const std::string& wanted) {
    return internalError(op.name + ": over group " + groupName + ", rank " + std::to_string(peer) + " came with " +
                         found + " and rank " + std::to_string(rank) + " with " + wanted);
  };
  bool combines = op.kind == CollectiveKind::kAllReduce || op.kind == CollectiveKind::kReduceScatter;
  if (theirs.kind != op.kind) return mismatch(kindName(theirs.kind), kindName(op.kind));
  if (theirs.dtype != op.dtype) {
    return mismatch(std::string(dtypeName(theirs.dtype)), std::string(dtypeName(op.dtype)));
  }
  if (combines && theirs.combiner != op.combiner) {
    return mismatch(std::string(combinerName(theirs.combiner)), std::string(combinerName(op.combiner)));
  }
  if (theirs.count != count) return mismatch(std::to_string(theirs.count) + " elements for it", std::to_string(count));
  return Status();
}

Status checkMessage(const StridedBlock& block, DType dtype, int64_t count, DType sent) {
  if (sent == dtype && count == elementCount(block)) return Status();
  return internalError("a message of " + std::to_string(count) + " " + std::string(dtypeName(sent)) +
                       " meets a block of " + std::to_string(elementCount(block)) + " " +
                       std::string(dtypeName(dtype)));
}

Status combineInOrder(const Collective& op, const std::vector<Contribution>& contributions, int64_t begin, int64_t end,
                      const std::vector<const StridedBlock*>& results) {
  int width = copyWidth(op.dtype);
  SW_ASSIGN_OR_RETURN(Combination combination, combinationOf(op.combiner, op.dtype));
  alignas(64) char accumulators[kChunkElements * 8];
  alignas(64) char packed[kChunkElements * 8], packedFirst[kChunkElements * 8];
  for (int64_t at = begin; at < end; at += kChunkElements) {
    int64_t count = std::min(kChunkElements, end - at);
    auto elementsOf = [&](const Contribution& source, char* room) -> const char* {
      if (source.packed) return source.packed + (at - source.packedFrom) * width;
      if (isContiguous(*source.block)) return static_cast<const char*>(source.block->data) + at * width;
      packElements(*source.block, width, at, count, room);
      return room;
    };
    const char* first = elementsOf(contributions[0], packedFirst);
    if (contributions.size() == 1) {
      combination.load(first, accumulators, count);
    } else {
      combination.combineTwo(first, elementsOf(contributions[1], packed), accumulators, count);
    }
    for (size_t i = 2; i < contributions.size(); ++i) {
      combination.combine(elementsOf(contributions[i], packed), accumulators, count);
    }
    const char* result = accumulators;
    if (combination.store) {
      combination.store(accumulators, packed, count);
      result = packed;
    }
    for (const StridedBlock* into : results) {
      if (into) unpackElements(*into, width, at, count, result);
    }
  }
  return Status();
}

}  // namespace shardwright
