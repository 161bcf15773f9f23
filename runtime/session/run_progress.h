// Owns how far a long series of runs is, for people who wait. It prints nothing.
#pragma once

#include <chrono>
#include <string>

namespace shardwright {

class RunProgress {
 public:
  using Clock = std::chrono::steady_clock;

  explicit RunProgress(int runs, std::chrono::seconds every = std::chrono::seconds(10))
      : runs_(runs), every_(every), began_(Clock::now()), said_(began_) {}

  // After `done` runs: a line, if the last one was `every` ago and some runs are left; else nothing.
  std::string after(int done, Clock::time_point now = Clock::now());

 private:
  const int runs_;
  const std::chrono::seconds every_;
  const Clock::time_point began_;
  Clock::time_point said_;
};

}  // namespace shardwright
