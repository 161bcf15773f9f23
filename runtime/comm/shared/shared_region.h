// Owns memory that processes of one host have in common: mapping it, and finding in it what several of them know by one
// name. It does not know what lies there, and nobody's death leaves it locked or named.
//
// The memory is a file without a name (memfd), as large as could ever be needed; only pages that are touched take memory.
// Others open it through /proc/PID/fd of the process that made it. Nothing in it is ever given back; makers reuse their own.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "runtime/base/status.h"

namespace shardwright {

class SharedRegion {
 public:
  // Says to other processes where the memory is, and what they must read there if it is the same.
  struct Address {
    int64_t pid = 0, file = 0, bytes = 0;
    uint64_t nonce = 0;
  };

  // kEnvironment where the system gives no such memory; the program then does without.
  static StatusOr<std::unique_ptr<SharedRegion>> create();
  static StatusOr<std::unique_ptr<SharedRegion>> create(int64_t bytes);
  static StatusOr<std::unique_ptr<SharedRegion>> attach(const Address& address);
  ~SharedRegion();
  SharedRegion(const SharedRegion&) = delete;
  SharedRegion& operator=(const SharedRegion&) = delete;

  const Address& address() const { return address_; }
  // All who may have attached: nobody can after it.
  void close();

  // A place in this region is the same number in every process; 0 is none.
  template <typename T>
  T* at(uint64_t place) const {
    return reinterpret_cast<T*>(base_ + place);
  }
  // Zeros, at a multiple of 64; 0 where no room is left.
  uint64_t allocate(int64_t bytes);

  // The record of that name and size: zeros that `init` has filled, by whoever asked first. Null where no room is left.
  char* find(const std::string& name, int64_t bytes, const std::function<void(char*)>& init = {});

 private:
  struct Head;
  struct Record;
  SharedRegion(char* base, const Address& address) : base_(base), address_(address) {}
  static StatusOr<std::unique_ptr<SharedRegion>> map(int file, const Address& address);
  Head& head() const { return *reinterpret_cast<Head*>(base_); }
  Record* search(uint64_t first, const std::string& name) const;

  char* base_;
  Address address_;
  int file_ = -1;  // the maker's, until all have attached
};

}  // namespace shardwright
