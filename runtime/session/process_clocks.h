// Owns how far apart the clocks of a job's processes are, so that what they note can be put on one time line. It moves no clock.
#pragma once

#include <cstdint>

#include "runtime/comm/processes/process_fabric.h"

namespace shardwright {

// Nanoseconds: the first process's clock is `offset` ahead of this one's, give or take `error`.
struct ClockOffset {
  int64_t offset = 0, error = 0;
};

// One exchange with the first process: asked at `asked` and answered at `answered` on the first's clock, at `there` on the
// other's. Half of the way there and back is what may be wrong. Clocks that may well be the same are taken to be.
//   asked 100, there 5130, answered 140: the other is 5010 ahead, give or take 20
//   asked 100, there 125, answered 140: they may be the same
ClockOffset clockOffset(int64_t asked, int64_t there, int64_t answered);

// All processes of the fabric call it at the same point. Of the best of several exchanges, in the first process the largest
// error of any.
StatusOr<ClockOffset> compareClocks(ProcessFabric& fabric, const ProcessLink& link);

}  // namespace shardwright
