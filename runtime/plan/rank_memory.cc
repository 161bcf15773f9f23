#include "runtime/plan/rank_memory.h"

#include <algorithm>
#include <set>

#include "runtime/base/dtype.h"
#include "runtime/plan/packer.h"

namespace shardwright {
namespace {

void addWithCalled(const plan::Plan& plan, uint32_t program, std::set<uint32_t>& found) {
  if (!found.insert(program).second) return;
  for (const plan::Step& s : plan.programs(static_cast<int>(program)).steps())
    for (uint32_t called : s.call().programs()) addWithCalled(plan, called, found);
}

}  // namespace

std::vector<uint32_t> programsBelow(const plan::Plan& plan, uint32_t program) {
  std::set<uint32_t> found;
  addWithCalled(plan, program, found);
  return {found.begin(), found.end()};
}

std::vector<uint32_t> programsOfStage(const plan::Plan& plan, const std::vector<const plan::Entry*>& entries,
                                      int stage) {
  std::set<uint32_t> found;
  for (const plan::Entry* e : entries)
    for (uint32_t chunk : e->stages(stage).chunks()) addWithCalled(plan, chunk, found);
  return {found.begin(), found.end()};
}

std::vector<const plan::Entry*> entriesOfRuns(const plan::Plan& plan) {
  std::vector<const plan::Entry*> entries;
  for (const plan::Entry& e : plan.entries())
    if (e.name() != "init") entries.push_back(&e);
  return entries;
}

RankMemory memoryOfRank(const plan::Plan& plan, const std::vector<const plan::Entry*>& entries, int stage,
                        const std::vector<int64_t>& values) {
  RankMemory memory;
  std::set<uint32_t> constants, states;
  for (uint32_t program : programsOfStage(plan, entriesOfRuns(plan), stage))
    for (const plan::Buffer& b : plan.programs(static_cast<int>(program)).buffers()) {
      const int64_t bytes = byteSize(static_cast<DType>(b.dtype()), std::max<int64_t>(values[b.count()], 0));
      if (b.kind() == plan::Buffer::CONSTANT && constants.insert(b.source()).second) memory.weightBytes += bytes;
      if (b.kind() == plan::Buffer::STATE && states.insert(b.source()).second) memory.stateBytes += bytes;
    }
  for (const plan::Entry* entry : entries)
    for (uint32_t chunk : entry->stages(stage).chunks()) {
      const ProgramMemory temporaries = memoryOf(plan, chunk, values);
      memory.peakBytes = std::max(memory.peakBytes, temporaries.peakBytes);
      memory.lowerBoundBytes = std::max(memory.lowerBoundBytes, temporaries.lowerBoundBytes);
    }
  return memory;
}

}  // namespace shardwright
