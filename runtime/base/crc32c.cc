#include "runtime/base/crc32c.h"

#include <array>
#include <cstring>

namespace shardwright {
namespace internal {
namespace {

// Table k advances a byte over k further zero bytes, so that eight bytes take eight look-ups that do not wait for one
// another.
using Tables = std::array<std::array<uint32_t, 256>, 8>;

constexpr Tables makeTables() {
  Tables tables{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1u) != 0 ? 0x82f63b78u : 0u);
    tables[0][i] = crc;
  }
  for (uint32_t i = 0; i < 256; ++i)
    for (size_t k = 1; k < 8; ++k) tables[k][i] = (tables[k - 1][i] >> 8) ^ tables[0][tables[k - 1][i] & 0xffu];
  return tables;
}

constexpr Tables kTables = makeTables();

}  // namespace

uint32_t crc32cPortable(const void* data, size_t bytes, uint32_t before) {
  auto* at = static_cast<const unsigned char*>(data);
  uint32_t crc = ~before;
  for (; bytes >= 8; bytes -= 8, at += 8) {
    uint64_t word;
    std::memcpy(&word, at, 8);
    word ^= crc;
    crc = 0;
    for (size_t k = 0; k < 8; ++k) crc ^= kTables[7 - k][(word >> (8 * k)) & 0xffu];
  }
  for (; bytes > 0; --bytes) crc = (crc >> 8) ^ kTables[0][(crc ^ *at++) & 0xffu];
  return ~crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) uint32_t crc32cHardware(const void* data, size_t bytes, uint32_t before) {
  auto* at = static_cast<const unsigned char*>(data);
  uint64_t crc = ~before;
  for (; bytes >= 8; bytes -= 8, at += 8) {
    uint64_t word;
    std::memcpy(&word, at, 8);
    crc = __builtin_ia32_crc32di(crc, word);
  }
  auto narrow = static_cast<uint32_t>(crc);
  for (; bytes > 0; --bytes) narrow = __builtin_ia32_crc32qi(narrow, *at++);
  return ~narrow;
}
bool hasHardwareCrc32c() { return __builtin_cpu_supports("sse4.2") != 0; }
#else
uint32_t crc32cHardware(const void* data, size_t bytes, uint32_t before) { return crc32cPortable(data, bytes, before); }
bool hasHardwareCrc32c() { return false; }
#endif

}  // namespace internal

uint32_t crc32c(const void* data, size_t bytes, uint32_t before) {
  static const bool hardware = internal::hasHardwareCrc32c();
  return hardware ? internal::crc32cHardware(data, bytes, before) : internal::crc32cPortable(data, bytes, before);
}

}  // namespace shardwright
