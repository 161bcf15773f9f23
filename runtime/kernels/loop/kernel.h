// Owns the kernel "loop": runs a generated loop nest (compiler/codegen/loop_nest.h) over the step's operands, cutting the
// flattened outer range over the threads. It does not know what the nest computes.
//
// Operands are the inputs, then the outputs, in the order of the nest's operands. A view has one dim per loop dim, outer
// dims first, with stride 0 where the operand does not move.
#pragma once

#include "runtime/kernels/kernel.h"

namespace shardwright {

StatusOr<std::unique_ptr<Kernel>> makeLoopCpu(const KernelSpec& spec);

}  // namespace shardwright
