// Owns the way back from the shardings around an op to its strategy.
#pragma once

#include "compiler/ops/row.h"

namespace shardwright {

// The strategy that operands' and results' shardings say together: for each factor what the first tensor that has it says.
// Partial axes say nothing.
Strategy strategyFromShardings(const Rule& rule, const OpView& op, llvm::ArrayRef<Sharding> in,
                               llvm::ArrayRef<Sharding> out);

}  // namespace shardwright
