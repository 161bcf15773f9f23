// Owns what every implementation of World and Communicator must do, as tests over a factory of worlds. Each
// implementation instantiates them in a file of its own; what it skips, it skips there by name, with a reason.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "runtime/comm/communicator.h"

namespace shardwright {

struct WorldFactory {
  std::string name;
  // Runs body once on each of numRanks ranks, each with a World of its own, and returns when all have returned.
  std::function<void(int numRanks, const std::function<void(World&)>& body)> run;
};

class CommunicatorConformance : public testing::TestWithParam<WorldFactory> {};

}  // namespace shardwright
