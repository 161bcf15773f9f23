// Owns what a collective step of a plan means in windows: which part of which view goes to and comes from which member.
// It does not communicate.
#pragma once

#include <vector>

#include "runtime/exec/window.h"

namespace shardwright {

struct CollectiveWindows {
  Collective collective;             // all but the blocks' data
  std::vector<Window> sends, recvs;  // where each block lies
  int64_t payloadBytes = 0;          // of the larger of what goes in and what comes out, here
};

// `symbols` hold the sizes and this rank's coordinates; members' extents are evaluated with theirs.
//   all-gather of [B, part] along dim 1 over 3 members with parts 3, 3, 2:
//   recvs are the windows [B, 0:3], [B, 3:6], [B, 6:8] of the output
StatusOr<CollectiveWindows> collectiveWindows(const plan::Step& step, const plan::Program& program,
                                              const PlanImage& image, int rank, const ExprTable::Symbols& symbols,
                                              const Sizes& sizes);

}  // namespace shardwright
