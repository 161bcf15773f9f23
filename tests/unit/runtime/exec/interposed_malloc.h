// Owns the interposition of the C library's allocator in one test program: every allocation of any thread calls
// onAllocation(), which the program defines. Included by one file of a program. Under a sanitizer, which brings its own
// allocator, there is nothing to interpose.
#pragma once

#include <cstdlib>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SHARDWRIGHT_COUNTS_ALLOCATIONS 0
#else
#define SHARDWRIGHT_COUNTS_ALLOCATIONS 1
#endif

namespace shardwright {

// Called before the allocation; must not allocate.
void onAllocation();

}  // namespace shardwright

#if SHARDWRIGHT_COUNTS_ALLOCATIONS
extern "C" {
void* __libc_malloc(size_t size);                      // NOLINT: glibc's names
void* __libc_calloc(size_t count, size_t size);        // NOLINT
void* __libc_realloc(void* block, size_t size);        // NOLINT
void* __libc_memalign(size_t alignment, size_t size);  // NOLINT

void* malloc(size_t size) {
  shardwright::onAllocation();
  return __libc_malloc(size);
}
void* calloc(size_t number, size_t size) {
  shardwright::onAllocation();
  return __libc_calloc(number, size);
}
void* realloc(void* block, size_t size) {
  shardwright::onAllocation();
  return __libc_realloc(block, size);
}
void* aligned_alloc(size_t alignment, size_t size) {
  shardwright::onAllocation();
  return __libc_memalign(alignment, size);
}
int posix_memalign(void** block, size_t alignment, size_t size) {
  shardwright::onAllocation();
  *block = __libc_memalign(alignment, size);
  return *block ? 0 : 12;
}
}
#endif
