// Owns the translation of one step.fused into a loop nest and the windows that its operands are. It decides the order and
// collapsing of loop dims; what is fused was decided before (passes/lower/fuse_loops.cc).
#pragma once

#include "compiler/codegen/loop_nest.h"
#include "compiler/emit/step_dialect.h"
#include "compiler/emit/value_view.h"

namespace shardwright {

struct BuiltNest {
  // Of operand i: where it starts in the buffer of baseOf(value), and its stride along each loop dim, outer dims first.
  struct Window {
    mlir::Value value;
    Expr offset;
    Exprs strides;
  };
  LoopNest nest;  // all are named "unnamed"
  Exprs outer, inner, params;
  std::vector<Window> windows;  // inputs, then outputs
  int numInputs = 0;
};

//   step.fused with space [B, S, 768], inner [2], inputs x[B,S,768] and gain[768], output y:
//   outer [B*S], inner [768]; strides x: 768, 1; gain: 0, 1; y: 768, 1
StatusOr<BuiltNest> buildNest(step::FusedOp fused, const Facts& facts);

}  // namespace shardwright
