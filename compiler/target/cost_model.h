// Owns the formulas that turn work into seconds on a Machine: one set, used by the strategy search, the reshard planner
// and the report of predicted seconds. It does not own the machine's numbers (machine.h).
#pragma once

#include "compiler/target/machine.h"

namespace shardwright {

// Bytes that each rank of a group moves over its link for one collective. `bytes` is the larger of the two buffers that
// one rank holds: all-reduce, broadcast, permute and all-to-all: its block; all-gather: the gathered result;
// reduce-scatter: the whole input. With n ranks:
//   all-reduce                               2(n-1)/n · bytes   (ring)
//   all-gather, reduce-scatter, all-to-all    (n-1)/n · bytes
//   broadcast, permute                                  bytes
double movedBytes(CollectiveCost kind, int groupSize, double bytes);

// latency + movedBytes / bandwidth(movedBytes), with the machine's curve of this kind and group size; 0 for a group of
// one rank or no bytes. Never falls as bytes grow.
//   cpu.json, all-reduce of 8 MB over 4 ranks: 5 µs + 2·(3/4)·8 MB / (8 GB/s) = 1505 µs
double collectiveSeconds(const Machine& machine, CollectiveCost kind, int groupSize, double bytes);

// The same time, of a collective that is started and waited for later: what its threads do themselves, which is a step's launch and of
// moving all but Machine::backgroundShare, and the rest, which passes while the rank computes.
struct CollectiveTime {
  double backgroundSeconds = 0, threadSeconds = 0;
};
CollectiveTime collectiveTime(const Machine& machine, CollectiveCost kind, int groupSize, double bytes);

// One kernel of one rank: launch + the longer of computing and moving. `dtype` is what is computed in; `bytes` are all
// operands' that are read or written, each once. A fused chain is one kernel.
double kernelSeconds(const Machine& machine, DType dtype, double flops, double bytes);

}  // namespace shardwright
