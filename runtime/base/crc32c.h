// Owns the checksum of plans and weights: CRC-32C (Castagnoli), as iSCSI and ext4 compute it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace shardwright {

// The checksum of `bytes` bytes that follow data whose checksum is `before` (0: none).
uint32_t crc32c(const void* data, size_t bytes, uint32_t before = 0);
inline uint32_t crc32c(std::string_view text) { return crc32c(text.data(), text.size()); }

namespace internal {
// The two ways to compute it, for their test.
uint32_t crc32cPortable(const void* data, size_t bytes, uint32_t before);
uint32_t crc32cHardware(const void* data, size_t bytes, uint32_t before);
bool hasHardwareCrc32c();
}  // namespace internal

}  // namespace shardwright
