// Owns the making of a random case from a seed: graph, mesh, annotations, sizes. It does not run it.
#pragma once

#include "tests/random/random_case.h"

namespace shardwright {

// The same case for the same seed.
RandomCase randomCase(uint64_t seed);

}  // namespace shardwright
