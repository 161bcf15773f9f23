#include "runtime/session/trace_file.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "runtime/exec/plan_image.h"
#include "runtime/plan/step_views.h"

namespace shardwright {
namespace {

using Json = nlohmann::ordered_json;

Json eventJson(const plan::Plan& plan, const TraceEvent& event, int rank, int64_t origin) {
  Json json = {{"ph", "X"}, {"pid", 0}, {"tid", rank}};
  json["ts"] = static_cast<double>(event.begin - origin) / 1e3;
  json["dur"] = static_cast<double>(event.end - event.begin) / 1e3;
  Json& args = json["args"] = {{"run", event.run}, {"microbatch", event.microbatch}};
  if (!event.step) {
    json["name"] = event.program->name() + " of microbatch " + std::to_string(event.microbatch);
    json["cat"] = "chunk";
    return json;
  }
  const plan::Step& step = *event.step;
  json["name"] = step.name();
  json["cat"] = stepKindName(step);
  if (step.has_kernel()) args["op"] = step.kernel().kernel();
  if (step.has_transfer()) args["op"] = step.transfer().send() ? "send" : "receive";
  if (step.has_collective()) {
    const plan::CollectiveStep& collective = step.collective();
    args["op"] = collectiveKindName(collective.kind());
    args["axes"] = describeGroup(plan.mesh(), plan.groups(static_cast<int>(collective.group())));
  }
  if (event.bytes > 0) args["bytes"] = event.bytes;
  if (step.nodes_size() > 0) args["node"] = std::vector<std::string>(step.nodes().begin(), step.nodes().end());
  return json;
}

int64_t originOf(const std::vector<const RankTrace*>& ranks) {
  int64_t origin = INT64_MAX;
  for (const RankTrace* rank : ranks)
    for (const TraceEvent& event : rank->events()) origin = std::min(origin, event.begin);
  return origin;
}

}  // namespace

std::string traceJson(const plan::Plan& plan, const std::vector<const RankTrace*>& ranks) {
  int64_t origin = originOf(ranks);
  Json events = Json::array();
  events.push_back({{"ph", "M"}, {"pid", 0}, {"name", "process_name"}, {"args", {{"name", plan.model()}}}});
  for (size_t r = 0; r < ranks.size(); ++r) {
    int rank = static_cast<int>(r);
    events.push_back({{"ph", "M"},
                      {"pid", 0},
                      {"tid", rank},
                      {"name", "thread_name"},
                      {"args", {{"name", describeRank(plan.mesh(), rank)}}}});
    for (const TraceEvent& event : ranks[r]->events()) events.push_back(eventJson(plan, event, rank, origin));
  }
  Json json = {{"traceEvents", std::move(events)}, {"displayTimeUnit", "ms"}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string traceSummary(const plan::Plan& plan, const std::vector<const RankTrace*>& ranks) {
  int64_t first = originOf(ranks), last = first;
  for (const RankTrace* rank : ranks)
    for (const TraceEvent& event : rank->events()) last = std::max(last, event.end);
  std::string text;
  double total = static_cast<double>(std::max<int64_t>(last - first, 1));
  for (size_t r = 0; r < ranks.size(); ++r) {
    int64_t computing = 0, collectives = 0, transfers = 0;
    for (const TraceEvent& event : ranks[r]->events()) {
      if (!event.step || event.step->has_call()) continue;
      int64_t took = event.end - event.begin;
      bool isWait = event.step->has_wait();
      (event.step->has_kernel() ? computing : event.step->has_transfer() || isWait ? transfers : collectives) += took;
    }
    char line[160];
    std::snprintf(line, sizeof line,
                  ": %.0f %% computing, %.0f %% in collectives, %.0f %% in transfers, %.0f %% idle\n",
                  100 * static_cast<double>(computing) / total, 100 * static_cast<double>(collectives) / total,
                  100 * static_cast<double>(transfers) / total,
                  100 * (1 - static_cast<double>(computing + collectives + transfers) / total));
    text += describeRank(plan.mesh(), static_cast<int>(r)) + line;
  }
  return text;
}

}  // namespace shardwright
