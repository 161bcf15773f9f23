// Owns the ranks of a run that are threads of one process: their groups, messages and common failure. It starts no
// threads; the session does.
#pragma once

#include <memory>

#include "runtime/comm/communicator.h"

namespace shardwright {

// Every rank's thread takes its World and uses it, and the communicators made from it, alone. Worlds and communicators
// keep what they share alive, so that the fabric may go first.
class LocalFabric {
 public:
  // threadsPerRank only decides how long a rank spins before it sleeps.
  explicit LocalFabric(int numRanks, int threadsPerRank = 1);
  ~LocalFabric();
  LocalFabric(const LocalFabric&) = delete;
  LocalFabric& operator=(const LocalFabric&) = delete;

  std::unique_ptr<World> world(int rank);

  // The first reason given to abort() by any rank; ok while there is none. Any thread.
  Status failure() const;
  // As World::abort, from a thread that is no rank.
  void abort(const Status& reason);

 private:
  struct State;
  friend class LocalWorld;
  std::shared_ptr<State> state_;
};

}  // namespace shardwright
