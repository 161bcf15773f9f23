// Owns where temporary buffers lie: one deterministic placement for given sizes and lifetimes, for the executor, the
// checker and shardview alike. It does not own the memory.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "runtime/plan/plan.pb.h"

namespace shardwright {

constexpr int64_t kBufferAlignment = 64;

struct PackItem {
  int64_t sizeBytes = 0;
  int firstStep = 0, lastStep = 0;  // inclusive
};

struct Packing {
  std::vector<int64_t> offsets;  // per item, multiples of kBufferAlignment
  int64_t peakBytes = 0;         // end of the last item
  int64_t lowerBoundBytes = 0;   // the most that is alive at one step, sizes rounded up to the alignment
};

// Items whose lifetimes meet never overlap. The same items give the same packing on every machine.
//   100 bytes alive in steps 0-1, 50 in 1-2, 100 in 2-3: offsets 0, 128, 0; peak 192 = lower bound
Packing packBuffers(const std::vector<PackItem>& items);

// Two items that live at one step and share a byte; an item twice if it reaches beyond the peak.
std::optional<std::pair<size_t, size_t>> firstOverlap(const std::vector<PackItem>& items, const Packing& packing);

// The temporary buffers of a program under the expressions' values: items[k] belongs to buffer indices[k].
struct TemporaryItems {
  std::vector<int> indices;
  std::vector<PackItem> items;
};
TemporaryItems temporaryItems(const plan::Program& program, const std::vector<int64_t>& values);

// A program's temporaries and, behind them, those of the largest sub-program that it calls.
struct ProgramMemory {
  int64_t peakBytes = 0, lowerBoundBytes = 0;
};
ProgramMemory memoryOf(const plan::Plan& plan, uint32_t program, const std::vector<int64_t>& values);

}  // namespace shardwright
