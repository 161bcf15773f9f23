// Owns how what the ranks of one process leave after a run becomes bytes for the first process, and there part of the whole:
// their windows of the outputs, what they counted, what they noted. It does not send.
#pragma once

#include <memory>
#include <vector>

#include "runtime/exec/executor.h"
#include "runtime/session/rank_thread.h"

namespace shardwright {

// Where results of all ranks lie, in the process that packs or unpacks them.
struct RunResults {
  const plan::Plan* plan = nullptr;
  std::vector<void*> outputs;        // by port
  std::vector<int64_t> outputBytes;  // of what is allocated there
  std::vector<RankStats>* stats;     // by rank
  std::vector<RankTrace>* traces;    // by rank; empty where they are not wanted
  int64_t clockOffset = 0;           // nanoseconds that the first process's clock is ahead of this one's; for traces
};

// Of the ranks [first, first + ranks.size()); their traces are then empty.
StatusOr<std::vector<char>> packResults(const std::vector<std::shared_ptr<RankThread>>& ranks, int first,
                                        const RunResults& results);

// kEnvironment if the bytes are not what packResults() made for the same plan and sizes.
Status unpackResults(const std::vector<char>& bytes, const RunResults& results);

}  // namespace shardwright
