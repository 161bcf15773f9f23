// Owns what the worlds and communicators of one process's part of a run share. It does not communicate.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "runtime/comm/local/local_fabric.h"
#include "runtime/comm/processes/process_link.h"
#include "runtime/comm/shared/shared_run.h"

namespace shardwright {

struct FabricState {
  FabricState(ProcessLink& itsLink, int ranks, int threadsPerRank, const std::function<bool(int process)>& mayShare);
  ~FabricState();

  // The ranks of a process: consecutive, as even as can be.
  int firstRankOf(int process) const {
    return static_cast<int>(static_cast<int64_t>(numRanks) * process / link.numProcesses());
  }
  int processOf(int rank) const {
    return static_cast<int>(((static_cast<int64_t>(rank) + 1) * link.numProcesses() - 1) / numRanks);
  }
  bool isHere(int rank) const { return processOf(rank) == link.process(); }
  bool sharesMemory(int rank) const { return shared && neighbours[static_cast<size_t>(processOf(rank))]; }

  // Sends what one rank has for another, as the header says.
  void post(MessagePtr message) {
    const MessageHeader& header = message->header();
    if (!isHere(header.to)) messageBytes[static_cast<size_t>(header.from)] += header.bytes;
    link.post(processOf(header.to), std::move(message));
  }
  Status failure() const { return environmentError(local.failure().message()); }

  ProcessLink& link;
  const int numRanks;
  LocalFabric local;                               // of all ranks; those that are not here are not used
  std::vector<std::atomic<int64_t>> messageBytes;  // by rank that sends
  uint32_t epoch = 0;
  std::unique_ptr<SharedRun> shared;  // null: no other process has memory in common with this one
  std::vector<bool> neighbours;       // by process: whether it has

 private:
  void onAbort(const Status& reason);

  std::atomic<SharedRun*> toWake_{nullptr};
};

// Member `index`'s end of a group of which not all ranks have memory in common. `deadline` is the world's.
std::unique_ptr<Communicator> makeMessageCommunicator(std::shared_ptr<FabricState> state, std::vector<int> ranks,
                                                      int index, const std::string& name, int occurrence,
                                                      std::shared_ptr<const std::chrono::milliseconds> deadline);

}  // namespace shardwright
