// Owns the row of attention as one kernel: what patterns make of attention written in primitives, and import of the ONNX op
// where nothing stands in the way. It is no ONNX op; its domain is ours.
#pragma once

#include "compiler/ops/row.h"

namespace shardwright {

// onnx.shardwright.FusedAttention(q, k, v, mask) -> y
//   q [b, h, s, d], k [b, g, t, d], v [b, g, t, e] with h a multiple of g: consecutive query heads share a head of k and v; mask
//   broadcasts to [b, h, s, t] and is added (float) or says what is seen (bool), or is absent; y [b, h, s, e] =
//   softmax over t of (scale · q·k, softcap, mask) times v.
//   scale: f32; softcap: f32, 0 for none; empty_rows: what a query that sees no key gets: "zeros", or "uniform", the mean of v.
constexpr char kFusedAttention[] = "shardwright.FusedAttention";
Row fusedAttentionRow();

}  // namespace shardwright
