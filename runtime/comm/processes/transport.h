// Owns the interface by which messages of 8-byte words go between the processes of a job. It knows neither ranks nor what
// the words mean, nor who lives.
#pragma once

#include <cstdint>
#include <string>

#include "runtime/base/status.h"

namespace shardwright {

// No call waits, but join() and leave(). Calls are made by one thread at a time, of any number of threads.
// Those that return a number return < 0 for a failure, of which lastError() then tells.
class Transport {
 public:
  struct Handle {
    uint64_t bits = 0;  // of a message that has come, or of a transfer that is under way
  };

  virtual ~Transport() = default;

  // Takes this process's part in the job. Says how many processes there are, and which one this is.
  virtual Status join(int32_t& process, int32_t& numProcesses) = 0;
  // The words stay as they are until finished(transfer) returns 1. Messages from one process to another arrive in order.
  virtual int send(int process, const void* words, int64_t count, Handle& transfer) = 0;
  // 1 if a message has come, which is then to be received; else 0.
  virtual int arrived(int32_t& process, int64_t& count, Handle& message) = 0;
  virtual int receive(Handle& message, void* words, int64_t count, Handle& transfer) = 0;
  // 1 once the transfer is over, once; else 0.
  virtual int finished(Handle& transfer) = 0;
  // Ends this process's part, where all processes live. Everything sent has been finished.
  virtual void leave() = 0;
  virtual std::string lastError() const = 0;
  // What carries the messages, for people.
  virtual std::string name() const = 0;
};

}  // namespace shardwright
