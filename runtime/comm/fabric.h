// Owns the interface of what makes the worlds of a run for the ranks of this process, and tells when the run has failed.
#pragma once

#include <memory>

#include "runtime/comm/communicator.h"

namespace shardwright {

// Every rank's thread takes its World and uses it, and the communicators made from it, alone. Worlds and communicators keep
// what they share alive, so that the fabric may go first.
class Fabric {
 public:
  virtual ~Fabric() = default;
  // The ranks of this process: [firstRank, endRank).
  virtual int firstRank() const = 0;
  virtual int endRank() const = 0;
  virtual std::unique_ptr<World> world(int rank) = 0;
  // The first reason given to abort() by any rank; ok while there is none. Any thread.
  virtual Status failure() const = 0;
  // As World::abort, from a thread that is no rank.
  virtual void abort(const Status& reason) = 0;
};

}  // namespace shardwright
