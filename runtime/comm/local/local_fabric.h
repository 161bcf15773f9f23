// Owns the ranks of a run that are threads of one process: their groups, messages and common failure. It starts no
// threads; the session does.
#pragma once

#include <memory>

#include "runtime/comm/fabric.h"

namespace shardwright {

class LocalFabric final : public Fabric {
 public:
  // threadsPerRank only decides how long a rank spins before it sleeps.
  explicit LocalFabric(int numRanks, int threadsPerRank = 1);
  ~LocalFabric() override;
  LocalFabric(const LocalFabric&) = delete;
  LocalFabric& operator=(const LocalFabric&) = delete;

  int firstRank() const override { return 0; }
  int endRank() const override;
  std::unique_ptr<World> world(int rank) override;
  Status failure() const override;
  bool failed() const;  // without a lock
  void abort(const Status& reason) override;

 private:
  struct State;
  friend class LocalWorld;
  std::shared_ptr<State> state_;
};

}  // namespace shardwright
