// Owns the reading of a scalar body as one of the post-ops that kernels apply to their results (runtime/kernels/README.md). It
// knows arithmetic only: neither the ops that a model wrote, nor in which order or with which constants it wrote them.
//
// A body is brought into a normal form, a sum of products of x, the operand and functions of such sums, and compared with the
// normal forms of the post-ops; constants may differ by as much as exporters round them.
//   x / 1.4142135 → erf → + 1 → · x → · 0.5       is  0.5·x + 0.5·x·erf[0.70710678·x]: "gelu_erf"
//   x · (1 / (1 + exp(-x)))                       is  x·sigmoid[x]: "silu"
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "compiler/codegen/loop_nest.h"

namespace shardwright {

struct PostOpForm {
  std::string kind;            // empty: x itself
  bool hasOperand = false;     // the kind takes the operand
  std::vector<double> params;  // of kinds that have some
};

// What nodes[result] does to the result of a kernel, which is every kLoad of index 0; a kLoad of index 1 is the one operand.
// Nothing if that is no single post-op.
std::optional<PostOpForm> postOpForm(const std::vector<ScalarNode>& nodes, int result);

}  // namespace shardwright
