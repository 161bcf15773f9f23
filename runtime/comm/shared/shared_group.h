// Owns how the members of a group see each other in shared memory: where each says which operations it has begun, and where
// it leaves what the others read. It moves nothing; shared_communicator.cc does.
//
// A member writes only what is its own: an announcement per operation, with a copy of what it sends if that is little; else
// chunks of what it sends, one after the other, in a few places that it uses again when all others have gone on.
// A peer could read the member's own memory instead (process_vm_readv): that copied 2.5 to 3 GB/s where memory copied 4 to 5 from
// a warm chunk, needs a permission that containers withhold, and what is to be combined would still have to be copied first.
//   all-reduce of 9 elements, 3 members, lanes of 2: a chunk has a lane per member that will combine it
//     chunk 0 = [0 1 | 3 4 | 6 7]  chunk 1 = [2 | 5 | 8]; member 1 combines 3 4, then 5, and leaves the results
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "runtime/comm/communicator.h"
#include "runtime/comm/shared/shared_run.h"

namespace shardwright {

// How far a member is: the operations that are behind it, and the rounds of the next one.
inline uint64_t progressOf(uint64_t operations, int64_t rounds) {
  return operations << 28 | static_cast<uint64_t>(rounds);
}

class SharedGroup {
 public:
  static constexpr int kRing = 2 * Communicator::kMaxPending;  // as LocalGroup's
  // Up to this, an all-reduce whose members each combine all costs less than one with slices and a second wait.
  static constexpr int64_t kEagerBytes = 16 * 1024;
  // What a member leaves at once; several chunks of all members stay in the second-level cache.
  static constexpr int64_t kChunkBytes = 256 * 1024;
  // One is being written and one read, and a third finishes the round before (two would wait for each other).
  static constexpr int kChunks = 4;

  struct Announcement {
    CollectiveKind kind;
    DType dtype;
    Combiner combiner;
    int32_t eager;                     // all that is sent lies in the copy
    uint64_t firstChunk, firstResult;  // of the operation, of all that the member leaves
    int64_t counts[1];                 // elements for each member; one where all get the same
  };

  struct Member {
    std::atomic<uint64_t> started;               // operations announced
    alignas(64) std::atomic<uint64_t> sent;      // progress of its chunks
    alignas(64) std::atomic<uint64_t> combined;  // progress of its results
    alignas(64) std::atomic<uint64_t> progress;  // what it has read from all
  };

  // Null where no room is left.
  static std::unique_ptr<SharedGroup> find(std::shared_ptr<SharedRun> run, std::vector<int> ranks, std::string name,
                                           int occurrence);

  int size() const { return static_cast<int>(ranks.size()); }
  Member& member(int index) const { return *reinterpret_cast<Member*>(memberAt(index)); }
  Announcement& announcement(int index, uint64_t operation) const {
    return *reinterpret_cast<Announcement*>(slotAt(index, operation));
  }
  char* copy(int index, uint64_t operation) const { return slotAt(index, operation) + copyOffset_; }
  char* chunk(int index, uint64_t number) const {
    return memberAt(index) + chunksOffset_ + static_cast<int64_t>(number % kChunks) * chunkStride_;
  }
  char* result(int index, uint64_t number) const {
    return memberAt(index) + resultsOffset_ + static_cast<int64_t>(number % kChunks) * laneBytes_;
  }
  // What of a chunk is for one member, where each gets its own.
  int64_t laneBytes() const { return laneBytes_; }
  // Takes the memory that a member needs to copy so many bytes, and to leave so many chunks and results.
  void touch(int index, int64_t copiedBytes, int64_t chunks) const;

  const std::shared_ptr<SharedRun> run;
  const std::vector<int> ranks;
  const std::string name;

 private:
  SharedGroup(std::shared_ptr<SharedRun> itsRun, std::vector<int> itsRanks, std::string itsName);
  char* memberAt(int index) const { return base_ + index * memberStride_; }
  char* slotAt(int index, uint64_t operation) const {
    return memberAt(index) + slotsOffset_ + static_cast<int64_t>(operation % kRing) * slotStride_;
  }

  int64_t laneBytes_, chunkStride_, copyOffset_, slotStride_, slotsOffset_, chunksOffset_, resultsOffset_,
      memberStride_;
  char* base_ = nullptr;
};

// Member `index`'s end. `deadline` is the world's and outlives it.
std::unique_ptr<Communicator> makeSharedCommunicator(std::unique_ptr<SharedGroup> group, int index,
                                                     std::shared_ptr<const std::chrono::milliseconds> deadline);

}  // namespace shardwright
