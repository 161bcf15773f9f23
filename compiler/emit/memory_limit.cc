#include "compiler/emit/memory_limit.h"

#include <algorithm>

#include "runtime/plan/report.h"

namespace shardwright {
namespace {

std::string coordinatesText(const RankReport& rank) {
  std::string text;
  for (const auto& [axis, coordinate] : rank.coordinates)
    text += (text.empty() ? " (" : ", ") + axis + "=" + std::to_string(coordinate);
  return text.empty() ? text : text + ")";
}

}  // namespace

Status limitMemory(plan::Plan& plan, int64_t bytes) {
  plan.set_memory_limit_bytes(bytes);
  SW_ASSIGN_OR_RETURN(PlanReport report, reportPlan(plan, ""));
  auto most = std::max_element(report.ranks.begin(), report.ranks.end(), [](const RankReport& a, const RankReport& b) {
    return a.memory.totalBytes() < b.memory.totalBytes();
  });
  if (most == report.ranks.end() || most->memory.totalBytes() <= bytes) return Status();
  std::string sizes;
  for (const auto& [name, value] : report.assumed)
    sizes += (sizes.empty() ? " at " : ", ") + name + "=" + std::to_string(value);
  return userError("--memory-limit " + std::to_string(bytes) + ": rank " + std::to_string(most->rank) +
                   coordinatesText(*most) + " needs " + std::to_string(most->memory.totalBytes()) +
                   " bytes: " + std::to_string(most->memory.weightBytes) + " of weights and " +
                   std::to_string(most->memory.stateBytes + most->memory.peakBytes) + " of other values" + sizes +
                   "; use a mesh with more ranks on tp or pp, more --microbatches, or smaller sizes with --assume");
}

}  // namespace shardwright
