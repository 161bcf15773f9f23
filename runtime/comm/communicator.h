// Owns the interface of collectives and transfers between the ranks of a run. Implementations: local/ (threads of one
// process; the default and the oracle), processes/ (over mpi/), later nccl/. Conformance: tests/conformance.
//
// Rules for all implementations:
//   - every member of a group calls the same collectives in the same order, with the same kind, combiner, type and counts;
//   - replicated means bit-identical: after an all-reduce or all-gather every member holds the same bits, and the same
//     inputs give the same bits on every run (fixed order of combination). 16-bit floats are combined in float32;
//   - parts may be ragged and empty;
//   - a started operation's memory, and the Collective itself, must stay valid and, where read by peers, unchanged until
//     wait() returns; after wait() returns they are the caller's again;
//   - nothing is allocated by start() and wait() after prepare();
//   - a wait ends at the deadline with kEnvironment and the names of the members that have not come, or at once when any
//     rank has called abort().
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "runtime/base/dtype.h"
#include "runtime/base/status.h"

namespace shardwright {

enum class Combiner { kSum, kMax, kMin, kProd };

// A strided block of memory; strides in elements.
struct StridedBlock {
  static constexpr int kMaxDims = 8;
  void* data = nullptr;
  int rank = 0;
  int64_t dims[kMaxDims] = {};
  int64_t strides[kMaxDims] = {};
};

enum class CollectiveKind { kAllReduce, kAllGather, kReduceScatter, kAllToAll, kBroadcast, kPermute };

// One collective with all sizes known. Blocks that meet have equal dims.
//   all-reduce      sends = {my block}, recvs = {result block}; same dims everywhere; may be the same memory
//   all-gather      sends = {my part}, recvs[i] = where member i's part goes (dims of part i)
//   reduce-scatter  sends[i] = my contribution to member i's part, recvs = {my part}; may be the memory of sends[index]
//   all-to-all      sends[i] = what goes to member i, recvs[i] = where member i's goes
//   broadcast       sends = {block} on member 0 (elsewhere not looked at), recvs = {block} on all; may be the same memory
//   permute         sends = {my block}, recvs = {block}; `peer` = the member whose block is received
struct Collective {
  CollectiveKind kind = CollectiveKind::kAllReduce;
  Combiner combiner = Combiner::kSum;
  DType dtype = DType::kUndefined;
  int peer = 0;
  std::vector<StridedBlock> sends, recvs;
  std::string name;  // step and tensor, for messages
};

// One rank's end of one group. Used by one thread at a time.
class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int size() const = 0;
  virtual int index() const = 0;  // mine, 0 … size-1

  // Reserves what start() needs for collectives of up to these bytes; may be called by each member at its own time.
  virtual Status prepare(const Collective& collective) = 0;
  // Announces the operation and returns; at most kMaxPending of one communicator may be pending.
  virtual Status start(const Collective& collective) = 0;
  // Completes the oldest started operation.
  virtual Status wait() = 0;
  Status runNow(const Collective& collective) {
    SW_RETURN_IF_ERROR(start(collective));
    return wait();
  }
  static constexpr int kMaxPending = 8;
};

// All ranks of a run, as seen from one of them.
class World {
 public:
  virtual ~World() = default;
  virtual int size() const = 0;
  virtual int rank() const = 0;
  // The group of these ranks, in member order; all members call it with the same list and name. Groups of one list and
  // name are told apart by the order in which a rank asks for them.
  virtual StatusOr<std::unique_ptr<Communicator>> group(const std::vector<int>& ranks, const std::string& name) = 0;

  // Point to point, matched by (peer, channel) in order; a rank may be its own peer. A send does not wait for its receiver,
  // and the block is the caller's again when it returns.
  virtual Status send(int peer, uint32_t channel, const StridedBlock& block, DType dtype, const std::string& name) = 0;
  virtual Status receive(int peer, uint32_t channel, const StridedBlock& block, DType dtype,
                         const std::string& name) = 0;

  // Makes every wait of every rank return kEnvironment with this message (the first one wins); idempotent.
  virtual void abort(const Status& reason) = 0;
  virtual void setDeadline(std::chrono::milliseconds perWait) = 0;
  // No more messages than this are on their way on a channel at once. With a world that keeps memory for messages, the first one of a
  // size makes room for so many, so that later runs allocate nothing however far a sender gets ahead.
  virtual void expectMessages(int) {}

  // Bytes of tensors that this rank has sent so far to ranks whose memory it does not share.
  virtual int64_t messageBytes() const { return 0; }
};

}  // namespace shardwright
