#include "runtime/session/trace_file.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "runtime/exec/plan_image.h"
#include "runtime/plan/mesh_ranks.h"
#include "runtime/plan/plan_io.h"

namespace shardwright {
namespace {

using Json = nlohmann::ordered_json;

double microseconds(int64_t nanoseconds) { return static_cast<double>(nanoseconds) / 1e3; }

Json eventJson(const TracedEvent& event, int stage, int rank) {
  Json json = {{"ph", "X"}, {"pid", stage}, {"tid", rank}};
  json["ts"] = microseconds(event.begin);
  json["dur"] = microseconds(event.took());
  json["name"] = event.name;
  json["cat"] = event.kind;
  Json& args =
      json["args"] = {{"run", event.run}, {"stage", stage}, {"microbatch", event.microbatch}, {"chunk", event.chunk}};
  if (!event.op.empty()) args["op"] = event.op;
  if (!event.axes.empty()) args["axes"] = event.axes;
  if (event.bytes > 0) args["bytes"] = event.bytes;
  if (!event.nodes.empty()) args["node"] = event.nodes;
  return json;
}

Json nameJson(const char* what, int stage, int rank, const std::string& name) {
  return {{"ph", "M"}, {"pid", stage}, {"tid", rank}, {"name", what}, {"args", {{"name", name}}}};
}

// Builds a trace from the file's objects as they are parsed, so that the file never lies in memory as a tree.
class TraceReader {
 public:
  TraceReader(const plan::Plan& plan, const std::string& where) : plan_(plan), where_(where) {
    trace_.ranks.resize(static_cast<size_t>(numRanks(plan.mesh())));
  }

  StatusOr<Trace> read(const std::string& text) {
    Json whole = Json::parse(
        text,
        [&](int depth, Json::parse_event_t event, Json& parsed) {
          if (depth != 2 || event != Json::parse_event_t::object_end) return true;
          add(parsed);
          return false;
        },
        /*allow_exceptions=*/false);
    if (whole.is_discarded()) return refused("is not JSON to its end");
    if (!whole.is_object() || !whole.contains("traceEvents")) return refused("has no \"traceEvents\"");
    Json other = whole.value("otherData", Json::object());
    trace_.fingerprint = other.is_object() ? textOf(other, "plan") : "";
    if (trace_.fingerprint.empty()) return refused("does not say which plan it is of");
    if (std::string expected = planFingerprint(plan_); trace_.fingerprint != expected)
      return refused("is of plan " + trace_.fingerprint + ", and this one is " + expected);
    if (!wrong_.empty()) return refused(wrong_);
    trace_.clockError = nanoseconds(other, "clockErrorMicroseconds").value_or(0);
    for (size_t rank = 0; rank < trace_.ranks.size(); ++rank) {
      const auto& events = trace_.ranks[rank];
      if (std::none_of(events.begin(), events.end(), [](const TracedEvent& e) { return e.kind == "chunk"; }))
        return refused("has nothing of rank " + std::to_string(rank));
    }
    return std::move(trace_);
  }

 private:
  Status refused(const std::string& what) const {
    return userError(where_ + ": the trace " + what + "; write one with shardrun --trace, of this plan");
  }

  static std::string textOf(const Json& object, const char* key) {
    auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : "";
  }
  static std::optional<int64_t> nanoseconds(const Json& object, const char* key) {
    auto found = object.find(key);
    if (found == object.end() || !found->is_number()) return std::nullopt;
    double us = found->get<double>();
    if (!(us >= 0 && us < 1e15)) return std::nullopt;
    return std::llround(us * 1e3);
  }
  // Below 2^31; the file's numbers are ours to index with.
  static std::optional<uint32_t> number(const Json& object, const char* key) {
    auto found = object.find(key);
    if (found == object.end() || !found->is_number_unsigned() || found->get<uint64_t>() > INT32_MAX)
      return std::nullopt;
    return found->get<uint32_t>();
  }

  void add(const Json& json) {
    if (textOf(json, "ph") != "X") return;
    ++numEvents_;
    auto rank = number(json, "tid");
    auto begin = nanoseconds(json, "ts"), took = nanoseconds(json, "dur");
    auto args = json.find("args");
    bool hasArgs = args != json.end() && args->is_object();
    auto run = hasArgs ? number(*args, "run") : std::nullopt;
    auto microbatch = hasArgs ? number(*args, "microbatch") : std::nullopt;
    auto chunk = hasArgs ? number(*args, "chunk") : std::nullopt;
    if (!rank || *rank >= trace_.ranks.size() || !begin || !took || !run || !microbatch || !chunk) {
      if (wrong_.empty())
        wrong_ = "has an event, number " + std::to_string(numEvents_) + ", named '" + textOf(json, "name") +
                 "', without rank, times, run, microbatch or chunk of this plan";
      return;
    }
    TracedEvent event;
    event.kind = textOf(json, "cat"), event.name = textOf(json, "name");
    event.op = textOf(*args, "op"), event.axes = textOf(*args, "axes");
    event.run = *run, event.microbatch = *microbatch, event.chunk = *chunk;
    event.begin = *begin, event.end = *begin + *took;
    if (auto bytes = args->find("bytes"); bytes != args->end() && bytes->is_number_unsigned())
      event.bytes = bytes->get<int64_t>();
    std::vector<TracedEvent>& events = trace_.ranks[*rank];
    if (!events.empty() && events.back().begin > event.begin && wrong_.empty())
      wrong_ = "is not in the order of the events' beginnings on rank " + std::to_string(*rank);
    events.push_back(std::move(event));
  }

  const plan::Plan& plan_;
  const std::string& where_;
  Trace trace_;
  int64_t numEvents_ = 0;
  std::string wrong_;  // the first event that is
};

}  // namespace

std::string traceJson(const plan::Plan& plan, const Trace& trace) {
  std::string text = "{\"displayTimeUnit\":\"ms\",\"otherData\":";
  Json other = {
      {"model", plan.model()}, {"plan", trace.fingerprint}, {"clockErrorMicroseconds", microseconds(trace.clockError)}};
  auto dumped = [](const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); };
  text += dumped(other) + ",\"traceEvents\":[";
  const char* separator = "\n";
  auto add = [&](const Json& json) {
    text += separator + dumped(json);
    separator = ",\n";
  };
  for (int rank = 0; rank < static_cast<int>(trace.ranks.size()); ++rank) {
    int stage = stageOf(plan.mesh(), rank);
    if (rank == firstRankOf(plan.mesh(), stage))
      add(nameJson("process_name", stage, rank, "stage " + std::to_string(stage) + " of " + plan.model()));
    add(nameJson("thread_name", stage, rank, describeRank(plan.mesh(), rank)));
    for (const TracedEvent& event : trace.ranks[static_cast<size_t>(rank)]) add(eventJson(event, stage, rank));
  }
  return text + "\n]}\n";
}

StatusOr<Trace> readTrace(const plan::Plan& plan, const std::string& json, const std::string& where) {
  return TraceReader(plan, where).read(json);
}

}  // namespace shardwright
