#include "runtime/session/run_progress.h"

#include <cmath>

namespace shardwright {

std::string RunProgress::after(int done, Clock::time_point now) {
  if (done >= runs_ || now - said_ < every_) return "";
  said_ = now;
  double seconds = std::chrono::duration<double>(now - began_).count();
  auto rounded = [](double value) { return std::to_string(std::llround(value)) + " s"; };
  return "run " + std::to_string(done) + " of " + std::to_string(runs_) + " after " + rounded(seconds) + "; about " +
         rounded(seconds / done * (runs_ - done)) + " to go\n";
}

}  // namespace shardwright
