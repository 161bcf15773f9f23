#include "compiler/target/cost_model.h"

#include <algorithm>

namespace shardwright {

double movedBytes(CollectiveCost kind, int groupSize, double bytes) {
  if (groupSize <= 1) return 0;
  double others = static_cast<double>(groupSize - 1) / groupSize;
  switch (kind) {
    case CollectiveCost::kAllReduce:
      return 2 * others * bytes;
    case CollectiveCost::kAllGather:
    case CollectiveCost::kReduceScatter:
    case CollectiveCost::kAllToAll:
      return others * bytes;
    case CollectiveCost::kBroadcast:
    case CollectiveCost::kPermute:
      return bytes;
  }
  return bytes;
}

double collectiveSeconds(const Machine& machine, CollectiveCost kind, int groupSize, double bytes) {
  double moved = movedBytes(kind, groupSize, bytes);
  if (moved <= 0) return 0;
  const CollectiveCurve& curve = machine.curve(kind, groupSize);
  return curve.latencySeconds + moved / curve.bytesPerSecondAt(moved);
}

CollectiveTime collectiveTime(const Machine& machine, CollectiveCost kind, int groupSize, double bytes) {
  double seconds = collectiveSeconds(machine, kind, groupSize, bytes);
  if (seconds <= 0) return {};
  double latency = machine.curve(kind, groupSize).latencySeconds;
  double own = std::min(machine.launchSeconds, latency) + (1 - machine.backgroundShare) * (seconds - latency);
  return {seconds - own, own};
}

double kernelSeconds(const Machine& machine, DType dtype, double flops, double bytes) {
  auto rate = machine.flopsPerSecond.find(dtype);
  if (rate == machine.flopsPerSecond.end()) rate = machine.flopsPerSecond.find(DType::kFloat32);
  double computing = flops / (rate->second * machine.threadsPerRank);
  return machine.launchSeconds + std::max(computing, bytes / machine.memoryBytesPerSecond);
}

}  // namespace shardwright
