// Owns running a plan on one rank: loading what the rank needs of it, preparing its programs for each set of sizes, and
// running them. It does not own the rank's thread or the caller's tensors; the session does.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "runtime/comm/communicator.h"
#include "runtime/exec/plan_image.h"
#include "runtime/exec/program_frame.h"
#include "runtime/exec/rank_parts.h"

namespace shardwright {

// Used by the rank's thread alone.
class Executor {
 public:
  // Sets of sizes that stay prepared; of more, the one that was not used for longest goes.
  static constexpr size_t kMaxPrepared = 16;

  // Reads and packs the constants that this rank's programs use and runs the entry "init", if there is one. All
  // arguments must outlive the executor. A failure aborts the world.
  static StatusOr<std::unique_ptr<Executor>> load(std::shared_ptr<const PlanImage> image, World& world,
                                                  ThreadPool& pool);

  // Runs an entry once. symbolValues: one per Plan.symbols, ExprTable::kUnknown for those bound at run time. inputs and
  // outputs: the caller's dense tensors by port, null for an absent optional input. All ranks of the world run the same
  // entry with the same values. With values of an earlier call, nothing is allocated. A failure aborts the world.
  // trace: where the steps are noted, which allocates; may be null.
  Status run(int entry, const std::vector<int64_t>& symbolValues, const void* const* inputs, void* const* outputs,
             RankTrace* trace = nullptr);

  // The windows of the caller's outputs that this rank wrote in the last run: offsets are from the outputs' begin, and
  // Window::buffer is the port. Other windows are other ranks'.
  StatusOr<std::vector<Window>> writtenOutputs() const;

  const RankStats& stats() const { return parts_.stats; }
  // Of the last run, with what it bound; by ExprTable's slots.
  const ExprTable::Symbols& lastSymbols() const { return *lastSymbols_; }

 private:
  // The stage's chunks for one size of a microbatch.
  struct Part {
    int64_t size = 0;
    RunSizes sizes;
    std::vector<std::unique_ptr<ProgramFrame>> frames;
  };
  // One action: which chunk runs, and where in the batch its microbatch begins.
  struct Turn {
    Part* part = nullptr;
    size_t chunk = 0;
    uint32_t microbatch = 0;
    int64_t begin = 0;
  };
  struct Prepared {
    int entry = 0;
    std::vector<int64_t> symbolValues;
    std::vector<std::unique_ptr<Part>> parts;  // one; where microbatches are uneven, two
    std::vector<Turn> turns;
    std::vector<int64_t> inputSteps, outputSteps;  // bytes from one of the batch to the next, by port; 0: none
    std::vector<const void*> inputs;               // of the microbatch that runs
    std::vector<void*> outputs;
    int64_t arenaBytes = 0, scratchBytes = 0;
    uint64_t lastUse = 0;
  };

  Executor(std::shared_ptr<const PlanImage> image, World& world, ThreadPool& pool)
      : image_(std::move(image)), parts_(*image_, world, pool) {}

  Status loadParts();
  Status runEntry(int entry, const std::vector<int64_t>& symbolValues, const void* const* inputs, void* const* outputs);
  StatusOr<Prepared*> preparedFor(int entry, const std::vector<int64_t>& symbolValues);
  Status prepareTurns(const plan::Entry& entry, Prepared& prepared);
  StatusOr<Part*> partFor(const plan::Entry& entry, int partSlot, int64_t size, Prepared& prepared);
  std::vector<int64_t> stepsOf(const google::protobuf::RepeatedPtrField<plan::Port>& ports, const Part& part) const;
  Status bindSizes(const std::vector<int64_t>& symbolValues, int partSlot, int64_t part, RunSizes& sizes) const;
  Status reserve(const Prepared& prepared);
  // Tells the world, so that the other ranks stop.
  Status failed(const Status& status);

  std::shared_ptr<const PlanImage> image_;
  RankParts parts_;
  std::vector<std::unique_ptr<Prepared>> prepared_;
  uint64_t uses_ = 0;
  const ExprTable::Symbols* lastSymbols_ = nullptr;
  const Prepared* lastRun_ = nullptr;
  PageMemory arena_, scratch_;
};

}  // namespace shardwright
