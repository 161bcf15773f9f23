#include "runtime/comm/processes/fabric_state.h"

#include <algorithm>

#include "runtime/comm/processes/memory_meeting.h"
#include "runtime/device/cpu/cpu_features.h"

namespace shardwright {
namespace {

// About 50 µs where every thread of the host's ranks has a core; else the core is needed by the one waited for.
int spinsFor(double ranksNear, int threadsPerRank) {
  return ranksNear * std::max(1, threadsPerRank) <= static_cast<double>(usableCpus().size()) ? 2000 : 0;
}

}  // namespace

FabricState::FabricState(ProcessLink& itsLink, int ranks, int threadsPerRank,
                         const std::function<bool(int process)>& mayShare)
    : link(itsLink),
      numRanks(ranks),
      local(ranks, threadsPerRank),
      networkBytes(static_cast<size_t>(ranks)),
      neighbours(static_cast<size_t>(itsLink.numProcesses())) {
  epoch = link.openEpoch([this](const Status& reason) { onAbort(reason); });
  std::vector<int> near = link.neighbours();
  auto isFar = [&](int process) { return process != link.process() && mayShare && !mayShare(process); };
  near.erase(std::remove_if(near.begin(), near.end(), isFar), near.end());
  std::unique_ptr<SharedRegion> region = meetInMemory(link, epoch, near, [this] { return local.failed(); });
  if (!region) return;
  for (int process : near) neighbours[static_cast<size_t>(process)] = true;
  double ranksNear = static_cast<double>(ranks) * link.numSharers() / link.numProcesses();
  SharedRun::Hooks hooks{[this] { return local.failed(); }, [this] { return failure(); },
                         [this](int rank, const std::string& activity) { link.note(rank, activity); }};
  shared = SharedRun::make(std::move(region), ranks, spinsFor(ranksNear, threadsPerRank), std::move(hooks));
  toWake_ = shared.get();
}

FabricState::~FabricState() { link.closeEpoch(epoch); }

void FabricState::onAbort(const Status& reason) {
  local.abort(reason);
  if (SharedRun* run = toWake_) run->wakeAll(firstRankOf(link.process()), firstRankOf(link.process() + 1));
}

}  // namespace shardwright
