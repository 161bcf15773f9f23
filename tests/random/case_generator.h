// Owns the making of a random case from a seed: graph, mesh, annotations, sizes. It does not run it.
#pragma once

#include "tests/random/random_case.h"

namespace shardwright {

// kSharded: what is asked of the shardings of graphs of few nodes. kScheduled: pipelines under all schedules, on meshes of up to four
// axes and eight ranks, of larger graphs and of given models.
enum class CaseKind { kSharded, kScheduled };

// The same case for the same seed.
RandomCase randomCase(uint64_t seed, CaseKind kind = CaseKind::kSharded);

}  // namespace shardwright
