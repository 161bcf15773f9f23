// Owns how reports say sizes, times and columns. What they say is not its.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace shardwright {

std::string joined(const std::vector<std::string>& parts, const char* separator);
// "1.5 MiB"
std::string bytesText(int64_t bytes);
// "12.3 ms"
std::string secondsText(double seconds);
// "47 %"
std::string percentText(double fraction);
// At least that wide, blanks behind it.
std::string padded(std::string text, size_t width);

}  // namespace shardwright
