// Owns what shardrun says about its runs, as text and as JSON. It measures nothing.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runtime/session/check.h"
#include "runtime/session/session.h"

namespace shardwright {

struct RunReport {
  std::vector<double> seconds;  // one per repeat
  std::vector<RankStats> ranks;
  std::string transport;  // that carried messages between processes; "" for one process
  std::vector<std::string> outputs;
  std::vector<std::optional<Comparison>> comparisons;  // by output; empty without --check

  double median() const;
  double min() const;
};

// The keys are README's; null where an error is not a number that JSON has.
std::string reportJson(const RunReport& report);

// A few lines for people.
std::string reportText(const RunReport& report, const plan::Plan& plan);

}  // namespace shardwright
