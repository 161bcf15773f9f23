// Owns what a random case may ask of a given model: the names and dims in its file. It knows no meshes.
#pragma once

#include "tests/random/random_case.h"

namespace shardwright {

// The names of models of tests/models that cases are made of: those in float32 that bring their weights.
const std::vector<std::string>& givenModels();

// Its inputs, weights and nodes, for choosing among them: what they hold, and dims of results, are left out. Nodes are called by
// their own names; those without one, or with letters that a spec reads as patterns, are left out.
StatusOr<RandomCase> readGivenModel(const std::string& name);

}  // namespace shardwright
