// Owns one program prepared for one set of sizes: its steps' kernels, windows and collectives, and running them. It does
// not own memory; the executor gives it an arena, the caller its tensors.
//
// Steps whose sizes depend on a symbol that a BindStep binds are prepared when they are reached, and again only when the
// symbol's value has changed.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "runtime/exec/collective_windows.h"
#include "runtime/exec/rank_parts.h"
#include "runtime/exec/window.h"

namespace shardwright {

// The sizes of one run. All frames of a prepared entry share it, so that a symbol bound by one is seen by the others.
struct RunSizes {
  ExprTable::Symbols symbols;  // run-time ones are unknown until bound
  Sizes sizes;
  uint64_t version = 1;  // counts changes of run-time symbols
};

// Where a frame's buffers lie.
struct FrameMemory {
  char* arena = nullptr;  // arenaBytes() of the frame, kBufferAlignment-aligned
  PageMemory* scratch = nullptr;
  const void* const* inputs = nullptr;  // by Plan.inputs
  void* const* outputs = nullptr;       // by Plan.outputs
  void* const* captures = nullptr;      // of the call
};

class ProgramFrame {
 public:
  // parts and sizes outlive the frame.
  static StatusOr<std::unique_ptr<ProgramFrame>> prepare(RankParts& parts, int program, RunSizes& sizes);

  // Its temporaries, and after them those of the program it calls.
  int64_t arenaBytes() const { return ownBytes_ + calledBytes_; }
  int64_t scratchBytes() const { return scratchBytes_; }

  // The windows of the caller's outputs that the last run wrote; `port` is Window::buffer of each.
  Status addOutputWindows(std::vector<Window>& windows) const;

  // Allocates nothing, unless a run-time symbol has another value than in the last run. Failures name the step.
  Status run(const FrameMemory& memory);

 private:
  // Where one block of a step lies; `data` points into the step.
  struct Address {
    void** data;
    int buffer;
    int64_t byteOffset;
  };
  struct PreparedStep {
    const plan::Step* step = nullptr;
    bool runs = true;
    bool sizedAtRunTime = false;
    uint64_t version = 0;  // of the sizes it is prepared for; 0: not prepared
    std::unique_ptr<PreparedKernel> kernel;
    ThreadPool* pool = nullptr;
    std::vector<TensorRef> operands;  // inputs, then outputs
    size_t numInputs = 0;
    Collective collective;
    int64_t payloadBytes = 0;
    GroupQueue* group = nullptr;
    uint64_t ticket = 0;
    StridedBlock block;  // of a transfer
    DType dtype = DType::kUndefined;
    int peer = 0;
    int symbol = -1;                             // of a bind, or of a LOOP's iterations: its slot
    TensorRef integer;                           // of a bind: what is bound; of a LOOP: its trip count
    TensorRef condition;                         // of an IF or LOOP
    std::vector<void*> captures;                 // of a call, then its outputs
    std::vector<StridedBlock> carried, results;  // of a LOOP: initial values, and the outputs that they go to
    std::vector<std::unique_ptr<ProgramFrame>> called;
    std::vector<Address> addresses;
  };

  ProgramFrame(RankParts& parts, int program, RunSizes& sizes);

  bool isSizedAtRunTime(const plan::Step& step) const;
  void placeTemporaries();
  Status prepareStep(PreparedStep& step);
  Status prepareKernel(PreparedStep& step);
  Status prepareCollective(PreparedStep& step);
  Status prepareTransfer(PreparedStep& step);
  Status prepareBind(PreparedStep& step);
  Status prepareCalled(PreparedStep& step);
  Status prepareCall(PreparedStep& step);
  Status prepareLoop(PreparedStep& step);
  Status readInteger(PreparedStep& step, const plan::View& view, TensorRef* into);
  StatusOr<TensorRef> operand(const plan::View& view, Window& window) const;
  void addAddress(PreparedStep& step, void** data, const Window& window) const;

  void resolve(const FrameMemory& memory);
  void resolve(PreparedStep& step);
  Status runStep(PreparedStep& step, const FrameMemory& memory);
  Status runCollective(PreparedStep& step);
  Status runTransfer(PreparedStep& step);
  Status transfer(PreparedStep& step);
  Status runBind(PreparedStep& step);
  Status bindSymbol(int slot, int64_t value, const plan::Step& step);
  Status runCall(PreparedStep& step, const FrameMemory& memory);
  Status runLoop(PreparedStep& step, const FrameMemory& called);

  RankParts& parts_;
  const int index_;
  const plan::Program& program_;
  RunSizes& sizes_;
  std::vector<PreparedStep> steps_;        // never resized: addresses point into it
  std::vector<int64_t> temporaryOffsets_;  // by buffer
  std::vector<char*> bases_;               // by buffer, as steps_ have them
  int64_t ownBytes_ = 0, calledBytes_ = 0, scratchBytes_ = 0;
};

}  // namespace shardwright
