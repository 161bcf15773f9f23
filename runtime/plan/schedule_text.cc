#include "runtime/plan/schedule_text.h"

#include <algorithm>
#include <cmath>

namespace shardwright {
namespace {

using Action = plan::Entry::Action;

std::string cellText(const Action& action, bool hasChunks) {
  static constexpr const char* kPrefix[] = {"", "B", "b", "w", "o"};
  std::string text = kPrefix[action.kind()] + std::to_string(action.microbatch());
  if (hasChunks) text += static_cast<char>('a' + action.chunk() % 26);
  return text;
}

std::string rightAligned(const std::string& text, size_t width) {
  return std::string(width - std::min(width, text.size()), ' ') + text;
}

}  // namespace

double cellSeconds(const Timeline& timeline, int maxCells) {
  double shortest = INFINITY, end = 0;
  size_t most = 0;
  for (const auto& actions : timeline) {
    most = std::max(most, actions.size());
    for (const TimedAction& timed : actions) {
      if (timed.end > timed.start) shortest = std::min(shortest, timed.end - timed.start);
      end = std::max(end, timed.end);
    }
  }
  if (!(end > 0) || !std::isfinite(shortest)) return 0;
  return std::max(shortest, end / (maxCells > 0 ? maxCells : std::max(40.0, 3 * static_cast<double>(most))));
}

std::string scheduleText(const Timeline& timeline, double unitSeconds, const char* row) {
  if (unitSeconds <= 0) unitSeconds = cellSeconds(timeline);
  if (unitSeconds <= 0) return "";
  bool hasChunks = false;
  double end = 0;
  for (const auto& actions : timeline)
    for (const TimedAction& timed : actions) {
      hasChunks |= timed.action.chunk() > 0;
      end = std::max(end, timed.end);
    }
  auto numCells = static_cast<size_t>(std::llround(end / unitSeconds));
  std::vector<std::vector<std::string>> rows(timeline.size(), std::vector<std::string>(numCells, "."));
  size_t width = 0, labelWidth = std::to_string(timeline.size() - 1).size();
  for (size_t r = 0; r < timeline.size(); ++r)
    for (const TimedAction& timed : timeline[r]) {
      auto first = static_cast<size_t>(std::llround(timed.start / unitSeconds));
      auto last = static_cast<size_t>(std::llround(timed.end / unitSeconds));
      for (size_t cell = first; cell < std::min(last, numCells); ++cell)
        rows[r][cell] = cell == first ? cellText(timed.action, hasChunks) : "-";
      width = std::max(width, cellText(timed.action, hasChunks).size());
    }
  std::string text;
  for (size_t r = 0; r < rows.size(); ++r) {
    text += row + (" " + rightAligned(std::to_string(r), labelWidth)) + " |";
    for (const std::string& cell : rows[r])
      text += " " + rightAligned(cell == "-" ? std::string(width, '-') : cell, width);
    text += "\n";
  }
  return text;
}

}  // namespace shardwright
