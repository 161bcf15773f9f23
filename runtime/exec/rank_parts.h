// Owns what the prepared programs of one rank work with: its place in the mesh, its threads, its groups, its kernels and
// constants, and what it counts. It runs nothing.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "runtime/comm/communicator.h"
#include "runtime/exec/constant_store.h"
#include "runtime/exec/kernel_table.h"
#include "runtime/exec/plan_image.h"
#include "runtime/exec/trace.h"

namespace shardwright {

// One group's communicator, and which of its operations are complete: they complete in the order in which they start,
// whatever the order of the steps that wait for them.
class GroupQueue {
 public:
  explicit GroupQueue(std::unique_ptr<Communicator> communicator) : communicator_(std::move(communicator)) {}

  Communicator& communicator() { return *communicator_; }
  Status start(const Collective& collective, uint64_t* ticket) {
    SW_RETURN_IF_ERROR(communicator_->start(collective));
    *ticket = started_++;
    return Status();
  }
  Status finish(uint64_t ticket) {
    for (; completed_ <= ticket; ++completed_) SW_RETURN_IF_ERROR(communicator_->wait());
    return Status();
  }

 private:
  std::unique_ptr<Communicator> communicator_;
  uint64_t started_ = 0, completed_ = 0;
};

constexpr int kNumCollectiveKinds = 6;

struct RankStats {
  int64_t weightBytes = 0;     // this rank's shards of the constants that its programs use, as the plan says them
  int64_t constantBytes = 0;   // what they take in memory: in their kernels' layouts, as they are, or both
  int64_t temporaryBytes = 0;  // the most that a run has used: buffers that live between steps
  int64_t scratchBytes = 0;    // the most that a kernel has used while it ran
  // By CollectiveKind (numbered as plan::CollectiveStep::Kind is), of the last run: the bytes of what went in or came out here, whichever is more.
  std::array<int64_t, kNumCollectiveKinds> collectiveBytes{};
  int64_t messageBytes = 0;  // of the last run, as World::messageBytes() counts
};

struct RankParts {
  RankParts(const PlanImage& itsImage, World& itsWorld, ThreadPool& itsPool)
      : image(itsImage), world(itsWorld), pool(itsPool), alone(1) {}

  const PlanImage& image;
  World& world;
  ThreadPool& pool;
  ThreadPool alone;  // the rank's thread without the others, for small steps
  int rank = 0, stage = 0;
  Sizes loadSizes;  // the table at this rank's coordinates alone
  std::unique_ptr<KernelTable> kernels;
  std::unique_ptr<ConstantStore> constants;
  std::vector<std::unique_ptr<GroupQueue>> groups;  // by Plan.groups
  RankStats stats;
  RankTrace* trace = nullptr;  // of the run that is on; null: nothing is noted
};

}  // namespace shardwright
