// Owns what a rank notes of its steps while it runs: which one, for which microbatch and chunk, from when to when. It writes no
// file.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "runtime/plan/plan.pb.h"

namespace shardwright {

struct TraceEvent {
  const plan::Step* step = nullptr;  // null: the whole program, a chunk's or one that a step has called
  const plan::Program* program = nullptr;
  int64_t begin = 0, end = 0;  // nanoseconds of the steady clock
  int64_t bytes = 0;           // of a collective or transfer
  uint32_t run = 0, microbatch = 0, chunk = 0;
};

// Used by the rank's thread while a run is on, by others between runs.
class RankTrace {
 public:
  static int64_t now() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
  }

  void beginRun() { ++run_; }
  void beginAction(uint32_t microbatch, uint32_t chunk) { microbatch_ = microbatch, chunk_ = chunk; }
  void add(const plan::Program* program, const plan::Step* step, int64_t begin, int64_t bytes) {
    events_.push_back({step, program, begin, now(), bytes, run_, microbatch_, chunk_});
  }
  // What a rank of another process has noted.
  void add(const TraceEvent& event) { events_.push_back(event); }
  const std::vector<TraceEvent>& events() const { return events_; }
  void clear() { events_.clear(); }

 private:
  std::vector<TraceEvent> events_;
  uint32_t run_ = 0, microbatch_ = 0, chunk_ = 0;
};

}  // namespace shardwright
