// Owns which programs a rank runs and what it holds for them at given sizes. It does not own where temporaries lie; see packer.h.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/plan/plan.pb.h"

namespace shardwright {

// The program and those that it calls; ascending, each once.
std::vector<uint32_t> programsBelow(const plan::Plan& plan, uint32_t program);
// The programs that ranks of the stage run in any of the entries, called ones included; ascending, each once.
std::vector<uint32_t> programsOfStage(const plan::Plan& plan, const std::vector<const plan::Entry*>& entries,
                                      int stage);
// All but init.
std::vector<const plan::Entry*> entriesOfRuns(const plan::Plan& plan);

struct RankMemory {
  int64_t weightBytes = 0;      // of the constants that the stage's programs use in a run of any entry
  int64_t stateBytes = 0;       // at capacity
  int64_t peakBytes = 0;        // of temporaries in a run of one of the entries, as packed
  int64_t lowerBoundBytes = 0;  // of them: no packing needs less
  int64_t totalBytes() const { return weightBytes + stateBytes + peakBytes; }
};

// `values` are those of the plan's expressions on the rank; `entries` are those whose runs count.
RankMemory memoryOfRank(const plan::Plan& plan, const std::vector<const plan::Entry*>& entries, int stage,
                        const std::vector<int64_t>& values);

}  // namespace shardwright
