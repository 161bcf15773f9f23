// Owns the split of one symbol over one axis wherever ops carry it: the batch by dp, the sequence by sp. Nothing is searched:
// what the user asked for is that this symbol is split, and the rest follows in one walk.
//
//   inputs whose first dim with the symbol as a factor is split there      [batch, heads, past, d] -> [batch{dp}, _, _, _]
//   an op takes the split that its operands ask for; where they ask for different factors, a factor that lives in a
//   result wins, then the larger operand                                    MatMul of [batch{dp}, …] -> e0 of "... i k, ... k j"
//   an op that nothing asks splits a factor that is exactly the symbol      Expand of a mask to [batch, 1, s, s]
//   what an op must have whole, or reads otherwise, is resharded
#pragma once

#include "compiler/analysis/pin.h"
#include "compiler/dist/mesh.h"

namespace shardwright {

// `axis` is the index of a whole axis of the mesh. `pins` are restricted to the axis.
AxisStrategies splitSymbol(mlir::Block& block, const BlockRules& rules, const Facts& facts, const Mesh& mesh, int axis,
                           const std::string& symbol, const Pins& pins);

// A sharding that a caller's tensor may have: each rank's part is one window.
bool isWindow(const Sharding& sharding);

}  // namespace shardwright
