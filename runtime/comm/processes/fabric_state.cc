#include "runtime/comm/processes/fabric_state.h"

#include <algorithm>

#include "runtime/comm/processes/memory_meeting.h"
#include "runtime/device/cpu/cpu_features.h"

namespace shardwright {
namespace {

// Of the processes that may use this one's CPUs.
bool isCrowded(const ProcessLink& link, int numRanks, int threadsPerRank) {
  double ranks = static_cast<double>(numRanks) * link.numSharers() / link.numProcesses();
  return ranks * std::max(1, threadsPerRank) > static_cast<double>(usableCpus().size());
}

}  // namespace

FabricState::FabricState(ProcessLink& itsLink, int ranks, int threadsPerRank,
                         const std::function<bool(int process)>& mayShare)
    : link(itsLink),
      numRanks(ranks),
      local(ranks, threadsPerRank),
      messageBytes(static_cast<size_t>(ranks)),
      neighbours(static_cast<size_t>(itsLink.numProcesses())) {
  epoch = link.openEpoch([this](const Status& reason) { onAbort(reason); });
  std::vector<int> near = link.neighbours();
  auto isFar = [&](int process) { return process != link.process() && mayShare && !mayShare(process); };
  near.erase(std::remove_if(near.begin(), near.end(), isFar), near.end());
  std::unique_ptr<SharedRegion> region = meetInMemory(link, epoch, near, [this] { return local.failed(); });
  if (!region) return;
  for (int process : near) neighbours[static_cast<size_t>(process)] = true;
  SharedRun::Hooks hooks{[this] { return local.failed(); }, [this] { return failure(); },
                         [this](int rank, const std::string& activity) { link.note(rank, activity); }};
  shared = SharedRun::make(std::move(region), ranks, isCrowded(link, ranks, threadsPerRank), std::move(hooks));
  toWake_ = shared.get();
}

FabricState::~FabricState() { link.closeEpoch(epoch); }

void FabricState::onAbort(const Status& reason) {
  local.abort(reason);
  if (SharedRun* run = toWake_) run->wakeAll(firstRankOf(link.process()), firstRankOf(link.process() + 1));
}

}  // namespace shardwright
