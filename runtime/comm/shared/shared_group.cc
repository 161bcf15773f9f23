#include "runtime/comm/shared/shared_group.h"

#include <algorithm>
#include <utility>

namespace shardwright {
namespace {

constexpr int64_t kPage = 4096;  // members' memory does not share pages, so that each lies with who touched it first

int64_t aligned(int64_t bytes, int64_t unit) { return (bytes + unit - 1) / unit * unit; }

// Makes the system give the pages. They may be in use already, and others may read them just now: adding nothing changes
// nothing, which the thread sanitizer cannot know.
__attribute__((no_sanitize("thread"))) void takePages(char* from, int64_t bytes) {
  for (int64_t at = 0; at < bytes; at += kPage)
    __atomic_fetch_add(reinterpret_cast<uint64_t*>(from + at), uint64_t{0}, __ATOMIC_RELAXED);
}

}  // namespace

SharedGroup::SharedGroup(std::shared_ptr<SharedRun> itsRun, std::vector<int> itsRanks, std::string itsName)
    : run(std::move(itsRun)), ranks(std::move(itsRanks)), name(std::move(itsName)) {
  int64_t n = size();
  laneBytes_ = std::max(kChunkBytes / n / 64 * 64, kPage);
  chunkStride_ = aligned(std::max(kChunkBytes, n * laneBytes_), kPage);
  copyOffset_ = aligned(static_cast<int64_t>(sizeof(Announcement)) + (n - 1) * 8, 64);
  slotStride_ = copyOffset_ + kEagerBytes;
  slotsOffset_ = aligned(sizeof(Member), 64);
  chunksOffset_ = aligned(slotsOffset_ + kRing * slotStride_, kPage);
  resultsOffset_ = chunksOffset_ + kChunks * chunkStride_;
  memberStride_ = aligned(resultsOffset_ + kChunks * laneBytes_, kPage);
}

std::unique_ptr<SharedGroup> SharedGroup::find(std::shared_ptr<SharedRun> run, std::vector<int> ranks, std::string name,
                                               int occurrence) {
  std::unique_ptr<SharedGroup> group(new SharedGroup(std::move(run), std::move(ranks), std::move(name)));
  std::string key = "group " + std::to_string(occurrence);
  for (int rank : group->ranks) key += "," + std::to_string(rank);
  key += " " + group->name;
  char* memory = group->run->region().find(key, group->size() * group->memberStride_ + kPage);
  if (!memory) return nullptr;
  group->base_ = reinterpret_cast<char*>(aligned(reinterpret_cast<int64_t>(memory), kPage));
  return group;
}

void SharedGroup::touch(int index, int64_t copiedBytes, int64_t chunks) const {
  for (uint64_t k = 0; k < kRing; ++k) takePages(slotAt(index, k), copyOffset_ + copiedBytes);
  for (int64_t k = 0; k < std::min<int64_t>(chunks, kChunks); ++k) {
    takePages(chunk(index, static_cast<uint64_t>(k)), chunkStride_);
    takePages(result(index, static_cast<uint64_t>(k)), laneBytes_);
  }
}

}  // namespace shardwright
