// Owns blocks of memory on a CPU: aligned, for large ones in huge pages where the system has them, and given back to the
// system when freed. It does not place anything in them.
#pragma once

#include <cstdint>
#include <utility>

#include "runtime/base/status.h"

namespace shardwright {

// Not touched when made: pages come to lie near the thread that first writes them. Large blocks read as zeros then.
class PageMemory {
 public:
  PageMemory() = default;
  // At least one byte, 64-byte aligned; kEnvironment if the system has not that much.
  static StatusOr<PageMemory> allocate(int64_t bytes);
  PageMemory(PageMemory&& other) noexcept { *this = std::move(other); }
  PageMemory& operator=(PageMemory&& other) noexcept;
  ~PageMemory() { free(); }

  char* data() const { return data_; }
  int64_t sizeBytes() const { return sizeBytes_; }  // as asked for

 private:
  void free();

  char* data_ = nullptr;
  int64_t sizeBytes_ = 0;
  int64_t mappedBytes_ = 0;  // 0: from the heap
  void* mapping_ = nullptr;
};

}  // namespace shardwright
