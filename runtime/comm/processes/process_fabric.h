// Owns the ranks of a run that are spread over the processes of a job, some consecutive ones in each: their groups and
// messages. What stays inside this process goes as in local/, what stays on this host as in shared/, the rest over the link.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "runtime/comm/fabric.h"
#include "runtime/comm/processes/process_link.h"

namespace shardwright {

class ProcessFabric final : public Fabric {
 public:
  // All processes of the link make their fabrics in the same order. The link outlives the fabric and its worlds. Of fewer
  // ranks than processes, some processes have none.
  // mayShare: for tests, which of this host's other processes are to be as near as they are; they must see it alike.
  ProcessFabric(ProcessLink& link, int numRanks, int threadsPerRank = 1,
                const std::function<bool(int process)>& mayShare = {});
  ~ProcessFabric() override;

  int firstRank() const override;
  int endRank() const override;
  std::unique_ptr<World> world(int rank) override;
  Status failure() const override;
  void abort(const Status& reason) override;

  // Between processes, outside of the ranks' worlds, in order. A receive waits as long as the run has not failed.
  void sendTo(int process, const std::vector<char>& bytes);
  StatusOr<std::vector<char>> receiveFrom(int process);

 private:
  std::shared_ptr<struct FabricState> state_;
};

}  // namespace shardwright
