// Owns the LLVM IR of a loop nest's function: loops, addresses, vector lanes and their tails, reductions. It does not own
// operations (scalar_emitter.h) nor what is decided beforehand (nest_shape.h).
//
// Bits do not depend on how the outer range is cut: an element goes through the same operations, whichever lane, vector or
// tail computes it, as no operation is reassociated or fused by its surroundings; sums run over lanes in an order that only
// the inner extents decide.
#pragma once

#include "compiler/codegen/loop_nest.h"
#include "compiler/codegen/target_traits.h"
#include "llvm/IR/Module.h"

namespace shardwright {

// Adds the function; the nest has been verified.
void emitNest(const LoopNest& nest, const TargetTraits& traits, llvm::Module& module);

}  // namespace shardwright
