// Owns shardrun's command line: its options, what they may be, and what --help says. It runs nothing.
#pragma once

#include <optional>
#include <string>

#include "runtime/session/check.h"
#include "runtime/session/session.h"

namespace shardwright {

struct ShardrunOptions {
  std::string plan, data, outputs, json, trace, dumpValues, world = "auto";
  SessionOptions session;
  double timeoutSeconds = 60;
  bool check = false;
  Tolerance tolerance;
  int repeat = 1, warmup = 0;
  uint64_t seed = 0;
};

// Nothing to run where --help or --version was asked for: `said` is what to print. kUserError for what is not allowed, when the
// options, as far as they were read, still say which world the process is in.
struct ShardrunCommand {
  ShardrunOptions options;
  Status asked;
  std::optional<std::string> said;
};
ShardrunCommand parseShardrun(int argc, char** argv);

}  // namespace shardwright
