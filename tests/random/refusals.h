// Owns what a user cannot have though it is no mistake of the product: the parts of a case that the compiler may refuse. It does
// not own how a case is run.
#pragma once

#include <string>

#include "tests/random/random_case.h"

namespace shardwright {

// Takes out of the case what this message refuses, if it may: a pin on a tensor that is gone after import or is another name of one
// that is pinned too, a strategy of a node that has no such operand then or does not admit it, stages for too few ops, pins to
// stages that leave none for another, microbatches of a graph that computes with the size of the batch, a limit below what is
// needed. Whether there was any of it.
bool dropRefused(RandomCase& made, const std::string& message);

}  // namespace shardwright
