#include "runtime/plan/report_text.h"

#include <algorithm>
#include <cstdio>

namespace shardwright {

std::string joined(const std::vector<std::string>& parts, const char* separator) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : separator) + part;
  return text;
}

std::string bytesText(int64_t bytes) {
  const char* units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit < 4) value /= 1024, ++unit;
  char text[32];
  std::snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
  return text;
}

std::string secondsText(double seconds) {
  const char* units[] = {"s", "ms", "us"};
  size_t unit = 0;
  while (seconds < 1 && unit < 2) seconds *= 1e3, ++unit;
  char text[32];
  std::snprintf(text, sizeof text, seconds >= 1000 ? "%.0f %s" : "%.3g %s", seconds, units[unit]);
  return text;
}

std::string percentText(double fraction) {
  char text[32];
  std::snprintf(text, sizeof text, "%.0f %%", 100 * fraction);
  return text;
}

std::string padded(std::string text, size_t width) {
  text.resize(std::max(text.size(), width), ' ');
  return text;
}

}  // namespace shardwright
