// Owns the proof that a model may run part by part along its batch: that what it computes for some of a batch does not depend
// on the rest of it. It does not cut anything; see passes/stage.
#pragma once

#include <string>

#include "compiler/analysis/axis_strategies.h"

namespace shardwright {

// OK if every value made of the batch's symbol is split along it by ops that need no communication for that, which is what
// splitting the batch over one more mesh axis would show. kUserError that names the op that mixes the batch otherwise, or the
// one that uses its size as a number.
Status checkBatchIndependence(mlir::Block& block, const BlockRules& rules, const Facts& facts,
                              const std::string& symbol);

}  // namespace shardwright
