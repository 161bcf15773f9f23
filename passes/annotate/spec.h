// Owns the file SPEC.json: its text as data, and what can be wrong with it by itself. What it says of tensors and nodes that a
// model does not have is annotate.cc's to find.
//
//   {"mesh": {"dp": 2, "tp": 4},
//    "tensors": {"h.*.mlp.c_fc.weight": [[], ["tp"]], "hidden_*": [["dp"], ["tp"], null]},
//    "nodes": {"/h.0/*": {"stage": 0}, "MatMul_12": {"strategy": {"tp": "0.1"}}},
//    "state": {"past_key_values.0.key": "present.0.key"}}
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "compiler/dist/mesh.h"

namespace shardwright {

// Axes of one dim, major first; nothing where the dim is left to the compiler.
using SpecDim = std::optional<std::vector<std::string>>;

struct TensorSpec {
  std::string path;     // "/tensors/hidden_*", for messages
  std::string pattern;  // a glob: "*" any characters, "?" one
  std::vector<SpecDim> dims;
};

struct NodeSpec {
  struct Split {
    std::string path, axis;
    unsigned operand = 0, dim = 0;
  };
  std::string path, pattern;
  std::optional<int64_t> stage;
  std::vector<Split> strategy;
};

struct StateSpec {
  std::string path, input, output;
};

struct ShardSpec {
  std::vector<MeshAxis> mesh;  // in the order written; empty: not said
  std::vector<TensorSpec> tensors;
  std::vector<NodeSpec> nodes;
  std::vector<StateSpec> state;
};

// Reads the text of a spec. kUserError with everything that is wrong, a line each: "spec.json: /tensors/x/1: what".
StatusOr<ShardSpec> parseSpec(std::string_view text, const std::string& file);

bool globMatches(std::string_view pattern, std::string_view name);
bool isGlob(std::string_view pattern);

}  // namespace shardwright
