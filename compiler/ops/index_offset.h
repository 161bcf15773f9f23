// Owns what a split of a factor does to indices: where this rank's part begins. It knows no op.
#pragma once

#include "compiler/ops/row.h"

namespace shardwright {

// Whether the rank's part of the factor is one run of indices: it is whole, or split once from its major end.
bool isContiguous(const Strategy& strategy, int factor);

// The global index of the first element of this rank's part; 0 if the factor is whole. Requires isContiguous.
Expr beginOf(const Rule& rule, const Strategy& strategy, int factor, const Mesh& mesh);

// The factor of a dim that has exactly one, or -1.
int factorOf(const FactorTensor& tensor, int dim);

}  // namespace shardwright
