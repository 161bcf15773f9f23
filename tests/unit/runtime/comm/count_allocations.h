// Owns the count of what one thread allocates while it does something.
#pragma once

#include <cstdint>
#include <functional>

namespace shardwright {

// Of several threads at once, too. 0 where a sanitizer owns the allocator.
int64_t allocationsDuring(const std::function<void()>& body);

}  // namespace shardwright
