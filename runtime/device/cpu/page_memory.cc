#include "runtime/device/cpu/page_memory.h"

#include <sys/mman.h>

#include <cstdlib>
#include <string>

namespace shardwright {
namespace {

constexpr int64_t kHugePage = int64_t{2} << 20;
// Below it the heap is denser; above it, pages must go back to the system as soon as they are freed.
constexpr int64_t kMapFrom = int64_t{128} << 10;

}  // namespace

StatusOr<PageMemory> PageMemory::allocate(int64_t bytes) {
  PageMemory memory;
  memory.sizeBytes_ = bytes;
  int64_t rounded = (bytes + 63) / 64 * 64;
  if (rounded == 0) rounded = 64;
  if (rounded < kMapFrom) {
    memory.data_ = static_cast<char*>(std::aligned_alloc(64, static_cast<size_t>(rounded)));
  } else {
    bool huge = rounded >= kHugePage;
    int64_t mapped = huge ? rounded + kHugePage : rounded;
    void* mapping =
        mmap(nullptr, static_cast<size_t>(mapped), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping != MAP_FAILED) {
      memory.mapping_ = mapping;
      memory.mappedBytes_ = mapped;
      auto address = reinterpret_cast<uintptr_t>(mapping);
      if (huge) address = (address + kHugePage - 1) / kHugePage * kHugePage;
      memory.data_ = reinterpret_cast<char*>(address);
      if (huge) madvise(memory.data_, static_cast<size_t>(rounded), MADV_HUGEPAGE);  // a wish; its failure is no error
    }
  }
  if (!memory.data_) return environmentError("out of memory: " + std::to_string(bytes) + " bytes are not to be had");
  return memory;
}

PageMemory& PageMemory::operator=(PageMemory&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(sizeBytes_, other.sizeBytes_);
  std::swap(mappedBytes_, other.mappedBytes_);
  std::swap(mapping_, other.mapping_);
  return *this;
}

void PageMemory::free() {
  if (mapping_) {
    munmap(mapping_, static_cast<size_t>(mappedBytes_));
  } else {
    std::free(data_);
  }
  mapping_ = nullptr;
  data_ = nullptr;
  sizeBytes_ = mappedBytes_ = 0;
}

}  // namespace shardwright
