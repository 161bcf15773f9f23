// Owns collectives among threads of one process: how members publish their operations, read each other's memory and know
// that they are done with it.
//
// start() publishes a pointer to the operation; wait() does the work. A member that reads does so straight from its
// peers' memory, so that a peer may return only when all have read. Small operations avoid that second wait: start()
// copies what is sent into a ring of the member's own, and peers read the copy.
//
// An all-reduce that is not small is cut into one slice per member: a member combines its slice of all members' blocks,
// in member order, and writes the result into all members' results. Each element is computed once, so all members
// hold the same bits, and results may lie where the blocks lie, since an element is read by nobody else.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "runtime/comm/communicator.h"
#include "runtime/comm/local/run_state.h"

namespace shardwright {

// What the members of one group share.
struct LocalGroup {
  // An operation may be overwritten in the ring when every member has finished it; twice the number of pending ones
  // makes that so without waiting, except behind a broadcast's root.
  static constexpr int kRing = 2 * Communicator::kMaxPending;
  // Up to this, the copy costs less than the second wait, which is 0.1 µs between two threads that both spin (all-reduces
  // of 256 bytes to 16 KiB took 1.1 to 3 µs copied, 0.8 to 1.4 µs not) and a change of threads where they share a core.
  static constexpr int64_t kEagerBytes = 512;

  // One published operation. What peers read of an eager one lies here, because its Collective may be gone by then.
  struct Slot {
    const Collective* operation = nullptr;
    CollectiveKind kind = CollectiveKind::kAllReduce;
    DType dtype = DType::kUndefined;
    Combiner combiner = Combiner::kSum;
    bool eager = false;
    std::vector<int64_t> offsets;  // eager: bytes of each send's packed copy; one more than sends
    char* copy = nullptr;          // kEagerBytes of the member's ring
  };

  struct alignas(64) Member {
    std::atomic<uint64_t> started{0};
    alignas(64) std::atomic<uint64_t> finished{0};  // this member no longer touches its peers' memory for those
    Slot slots[kRing];
    std::unique_ptr<char[]> ring;
  };

  LocalGroup(std::shared_ptr<RunState> run, std::vector<int> ranks, std::string name);

  int size() const { return static_cast<int>(ranks.size()); }

  std::shared_ptr<RunState> run;
  const std::vector<int> ranks;
  const std::string name;
  std::vector<Member> members;
};

// Member `index`'s end. `deadline` is the world's and outlives it.
std::unique_ptr<Communicator> makeLocalCommunicator(std::shared_ptr<LocalGroup> group, int index,
                                                    std::shared_ptr<const std::chrono::milliseconds> deadline);

}  // namespace shardwright
