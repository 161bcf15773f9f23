// Owns the decisions about how a nest is emitted that need no LLVM: which dim the vector lanes lie along, how many there
// are, at which depth of the loops each node is computed. It emits nothing.
#pragma once

#include <vector>

#include "compiler/codegen/loop_nest.h"
#include "compiler/codegen/target_traits.h"

namespace shardwright {

// Of a node within its phase.
struct NodePlace {
  int depth = 0;               // the number of inner dims that must be known: 0 = once per outer point
  bool vector = false;         // one value per lane, not one for all
  bool inLoops = false;        // a store within the loops, or a reduction, needs it
  bool afterLoops = false;     // a store after the loops needs it
  bool ownReductions = false;  // uses results of this phase's reductions
  bool fromReduction = false;  // computed from a reduction's result, of whichever phase
  int uses = 0;
};

struct PhasePlan {
  std::vector<NodePlace> nodes;
  std::vector<bool> storeOnce;  // per store: after the loops
  bool hasLoops = false;        // anything to do within the loops
  int unroll = 1;               // vectors per iteration
  bool maskable = true;         // no operand is strided along the lanes, so that a mask can cover a tail
};

struct NestShape {
  int laneDim = -1;  // numbered over outer, then inner dims; -1: no vectors
  bool lanesAreOuter = false;
  int width = 1;  // lanes of a vector
  std::vector<PhasePlan> phases;
  std::vector<int> firstReduction;  // of each phase, numbered over the nest
  // All operands may turn out to be contiguous as a whole or to stand still; then the nest is one loop over all elements.
  bool mayBeLinear = false;
};

NestShape shapeOf(const LoopNest& nest, const TargetTraits& traits);

}  // namespace shardwright
