// Owns the description of a machine as the cost model sees it: speeds of one rank, and tables of what collectives cost.
// It does not own the formulas that use it (cost_model.h) nor the features that code is generated for (codegen).
//
// The file (data/machines/*.json); times in seconds, sizes in bytes, all rates per rank and second:
//
//   {"version": 1, "name": "cpu",
//    "threadsPerRank": 1,
//    "flopsPerSecond": {"float32": 6e10, "float64": 3e10},    per thread; float32 stands in for types not listed
//    "memoryBytesPerSecond": 1e10,
//    "launchSeconds": 2e-6,                                   of one step that runs a kernel
//    "backgroundShare": 0,                                    of the time that moving takes: what passes while kernels run, 0 to 1
//    "collectives": {
//      "allReduce": [{"groupSize": 2, "latencySeconds": 5e-6, "bandwidth": [[65536, 4e9], [1048576, 8e9]]}],
//      ...}}                                                  allGather, reduceScatter, allToAll, broadcast, permute
//
// "bandwidth" is a list of [bytes that a rank moves, bytes per second], bytes ascending; between two points the
// logarithms are interpolated, outside them the nearest point holds.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/dtype.h"
#include "runtime/base/status.h"

namespace shardwright {

// What a collective costs depends on its kind; numbered like plan.proto's CollectiveStep.Kind.
enum class CollectiveCost { kAllReduce, kAllGather, kReduceScatter, kAllToAll, kBroadcast, kPermute };
constexpr int kNumCollectiveCosts = 6;

// The name in machine files: "allReduce", ….
std::string_view collectiveCostName(CollectiveCost kind);

// One measured (or assumed) line of a collective's table.
struct CollectiveCurve {
  struct Point {
    double bytes = 0;  // moved by one rank (see collectiveSeconds), not the tensor's size
    double bytesPerSecond = 0;
  };
  int groupSize = 2;
  double latencySeconds = 0;
  std::vector<Point> bandwidth;  // bytes ascending; at least one

  // Interpolated between the points' logarithms, constant outside.
  double bytesPerSecondAt(double bytes) const;
};

struct Machine {
  std::string name;
  int threadsPerRank = 1;
  std::map<DType, double> flopsPerSecond;  // per thread; holds float32
  double memoryBytesPerSecond = 0;
  double launchSeconds = 0;
  double backgroundShare = 0;  // 0 where the ranks' own threads move the bytes; the default
  // By CollectiveCost; each ascending by group size, at least one.
  std::vector<CollectiveCurve> collectives[kNumCollectiveCosts];

  // The curve of the listed group size that is nearest from above; of the largest where the group is larger than all.
  const CollectiveCurve& curve(CollectiveCost kind, int groupSize) const;
};

// Reads the text of a machine file. kUserError names `where`, the key, what was found and what is allowed.
StatusOr<Machine> parseMachine(std::string_view text, const std::string& where);

// Reads a machine file.
StatusOr<Machine> loadMachine(const std::string& path);

// A machine file of data/machines that is built in, by its stem: "cpu", "default_gpu".
StatusOr<Machine> builtInMachine(std::string_view stem);
std::vector<std::string> builtInMachineNames();

}  // namespace shardwright
