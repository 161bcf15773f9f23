// Owns the picture of a schedule as text: ranks down, time across. Where the times come from is not its business.
#pragma once

#include <string>

#include "runtime/plan/schedule.h"

namespace shardwright {

// One cell per `unitSeconds` (0: cellSeconds()). A row begins with its word and number. A cell holds the microbatch; before it
// B for backward, b for the input gradient, w for the weight gradient, o for the optimizer, nothing for forward; behind it the
// chunk as a letter, where there are several. A longer action goes on in dashes, and dots are idle. What runs in the middle
// of a cell is drawn in it.
//
//   1f1b, p = 2, m = 3, backward twice as long as forward:
//   rank 0 |  0  1  .  . B0 --  2 B1 --  . B2 --
//   rank 1 |  .  0 B0 --  1 B1 --  2 B2 --  .  .
std::string scheduleText(const Timeline& timeline, double unitSeconds = 0, const char* row = "rank");

// The shortest action, or what fits the time into maxCells cells (0: thrice as many as the busiest rank has actions, but at
// least 40). 0 where nothing takes time.
double cellSeconds(const Timeline& timeline, int maxCells = 0);

}  // namespace shardwright
