// The report as text and as JSON.
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "runtime/plan/report.h"
#include "runtime/plan/report_text.h"
#include "runtime/plan/schedule_text.h"

namespace shardwright {
namespace {

using Json = nlohmann::ordered_json;

std::string portText(const PortReport& p) {
  std::string text = p.name + "  " + p.dtype + "[" + joined(p.shape, ", ") + "]";
  std::vector<std::string> dims;
  bool split = false;
  for (const std::vector<std::string>& axes : p.sharding) {
    dims.push_back(axes.empty() ? "_" : joined(axes, " "));
    split = split || !axes.empty();
  }
  return split ? text + "  split [" + joined(dims, ", ") + "]" : text + "  whole";
}

std::string rankText(const RankReport& r) {
  std::vector<std::string> at;
  for (const auto& [axis, coordinate] : r.coordinates) at.push_back(axis + "=" + std::to_string(coordinate));
  return "  " + padded(std::to_string(r.rank), 6) + padded(joined(at, " "), 20) +
         padded(bytesText(r.memory.weightBytes), 14) + padded(bytesText(r.memory.stateBytes), 14) +
         padded(bytesText(r.memory.peakBytes), 14) + bytesText(r.memory.lowerBoundBytes) + "\n";
}

// What each stage holds: a line of the table.
std::string stageLine(const StageReport& s) {
  return "  " + padded(std::to_string(s.stage), 7) + padded(std::to_string(s.numNodes), 7) +
         padded(std::to_string(s.steps.size()), 7) + padded(bytesText(s.weightBytes), 14) +
         padded(bytesText(s.temporaryBytes), 14) + padded(secondsText(s.predictedSeconds), 12) +
         joined(s.programs, ", ") + "\n";
}

// "  sends to stage 1: h 1.5 MiB, mask 2.0 KiB", the largest values first.
std::string valuesText(const StageReport& s, StepListing steps) {
  constexpr size_t kShown = 6;
  std::string text;
  for (const auto& [way, moved] : s.values) {
    std::vector<MovedValue> values = moved;
    std::stable_sort(values.begin(), values.end(),
                     [](const MovedValue& a, const MovedValue& b) { return a.bytes > b.bytes; });
    std::vector<std::string> parts;
    for (const MovedValue& value : values) parts.push_back(value.name + " " + bytesText(value.bytes));
    if (steps == StepListing::kLeftOut && parts.size() > kShown) {
      size_t more = parts.size() - kShown;
      parts.resize(kShown);
      parts.push_back("and " + std::to_string(more) + " more");
    }
    text += "  " + way.first + (way.first == "send" ? "s to" : "s from") + " stage " + std::to_string(way.second) +
            ": " + joined(parts, ", ") + "\n";
  }
  return text;
}

std::string stageText(const StageReport& s, StepListing steps) {
  std::string text = "stage " + std::to_string(s.stage) + ": " + std::to_string(s.steps.size()) + " steps in " +
                     joined(s.programs, ", ") + "\n";
  for (const auto& [kind, total] : s.collectives)
    text += "  " + padded(std::to_string(total.count) + " " + kind, 22) + bytesText(total.bytes) + "\n";
  if (s.collectives.empty()) text += "  no collectives\n";
  for (const auto& [kind, total] : s.transfers)
    text += "  " + padded(std::to_string(total.count) + " " + kind, 22) + bytesText(total.bytes) + "\n";
  text += valuesText(s, steps);
  if (steps == StepListing::kLeftOut) return text;
  for (const StepReport& step : s.steps) {
    text += "    " + padded(step.kind, 11) + padded(step.op, 15) + step.name;
    if (!step.axes.empty()) text += "  over " + joined(step.axes, ",");
    if (step.bytes > 0) text += "  " + bytesText(step.bytes);
    if (!step.nodes.empty()) text += "  (" + joined(step.nodes, ", ") + ")";
    text += "\n";
  }
  return text;
}

// Stages down, time across.
std::string scheduleOf(const PlanReport& report) {
  return "schedule " + report.schedule + ", " + std::to_string(report.microbatches) +
         (report.microbatches == 1 ? " microbatch" : " microbatches") + " through " +
         std::to_string(report.stages.size()) + " stages; " + percentText(report.idleFraction) +
         " idle as predicted, a cell is " + secondsText(cellSeconds(report.timeline)) + "\n" +
         scheduleText(report.timeline, 0, report.ranks.size() == report.stages.size() ? "rank" : "stage");
}

Json portJson(const PortReport& p) {
  Json shape = Json::array();
  for (const std::string& dim : p.shape) {
    bool isNumber = !dim.empty() && std::all_of(dim.begin(), dim.end(), [](char c) { return c >= '0' && c <= '9'; });
    shape.push_back(isNumber ? Json(std::stoll(dim)) : Json(dim));
  }
  return {{"name", p.name}, {"dtype", p.dtype}, {"shape", shape}, {"sharding", p.sharding}};
}

Json stepJson(const StepReport& s) {
  Json json = {{"kind", s.kind}, {"name", s.name}, {"node", s.nodes}};
  if (!s.op.empty()) json["op"] = s.op;
  if (!s.axes.empty()) json["axes"] = s.axes;
  if (s.kind == "transfer") json["value"] = s.value, json["peerStage"] = s.peerStage;
  if (s.kind == "collective" || s.kind == "transfer") json["bytes"] = s.bytes;
  return json;
}

}  // namespace

std::string reportText(const PlanReport& report, int rank, StepListing steps) {
  std::vector<std::string> axes, sizes;
  int64_t ranks = 1;
  for (const auto& [axis, size] : report.mesh) axes.push_back(axis + "=" + std::to_string(size)), ranks *= size;
  for (const auto& [name, value] : report.assumed) sizes.push_back(name + "=" + std::to_string(value));
  std::string text = "model    " + report.model + " (" + report.producer + ", " + report.target + ")\n";
  text +=
      "mesh     " + (axes.empty() ? "one device" : joined(axes, ", ") + ": " + std::to_string(ranks) + " ranks") + "\n";
  text += "entry    " + report.entry + (report.entries.size() > 1 ? " of " + joined(report.entries, ", ") : "") + "\n";
  if (!sizes.empty()) text += "assumed  " + joined(sizes, ", ") + "\n";
  if (report.memoryLimitBytes > 0) text += "limit    " + std::to_string(report.memoryLimitBytes) + " B per rank\n";
  text += "inputs\n";
  for (const PortReport& p : report.inputs) text += "  " + portText(p) + "\n";
  text += "outputs\n";
  for (const PortReport& p : report.outputs) text += "  " + portText(p) + "\n";
  text += "  rank  at                  weights       states        temporaries   at least\n";
  for (const RankReport& r : report.ranks)
    if (rank < 0 || r.rank == rank) text += rankText(r);
  auto isShown = [&](const StageReport& s) {
    return rank < 0 || std::any_of(
                           report.ranks.begin(), report.ranks.end(),
                           [&](const RankReport& r) { return r.rank == rank && r.stage == s.stage; });
  };
  text += "  stage  nodes  steps  weights       temporaries   predicted   programs\n";
  for (const StageReport& s : report.stages)
    if (isShown(s)) text += stageLine(s);
  for (const StageReport& s : report.stages)
    if (isShown(s)) text += stageText(s, steps);
  if (!report.timeline.empty()) text += scheduleOf(report);
  char seconds[32];
  std::snprintf(seconds, sizeof seconds, "%.3g s", report.predictedSeconds);
  return report.predictedSeconds > 0 ? text + "predicted " + seconds + "\n" : text;
}

std::string reportJson(const PlanReport& report, int rank) {
  Json json = {{"model", report.model}, {"producer", report.producer}, {"target", report.target}};
  json["mesh"] = Json::object();
  for (const auto& [axis, size] : report.mesh) json["mesh"][axis] = size;
  json["stages"] = report.stages.size();
  json["entry"] = report.entry;
  json["entries"] = report.entries;
  json["assumed"] = Json::object();
  for (const auto& [name, value] : report.assumed) json["assumed"][name] = value;
  for (const char* key : {"inputs", "outputs", "ranks", "collectives", "steps"}) json[key] = Json::array();
  for (const PortReport& p : report.inputs) json["inputs"].push_back(portJson(p));
  for (const PortReport& p : report.outputs) json["outputs"].push_back(portJson(p));
  for (const RankReport& r : report.ranks) {
    if (rank >= 0 && r.rank != rank) continue;
    json["ranks"].push_back({{"rank", r.rank},
                             {"coordinates", r.coordinates},
                             {"stage", r.stage},
                             {"weightBytes", r.memory.weightBytes},
                             {"stateBytes", r.memory.stateBytes},
                             {"peakBytes", r.memory.peakBytes},
                             {"lowerBoundBytes", r.memory.lowerBoundBytes}});
  }
  for (const StageReport& s : report.stages) {
    Json totals = Json::object(), steps = Json::array();
    for (const auto& [kind, total] : s.collectives) totals[kind] = {{"count", total.count}, {"bytes", total.bytes}};
    for (const StepReport& step : s.steps) steps.push_back(stepJson(step));
    json["collectives"].push_back(std::move(totals));
    json["steps"].push_back(std::move(steps));
  }
  json["memoryLimit"] = report.memoryLimitBytes;
  json["predictedSeconds"] = report.predictedSeconds;
  json["microbatches"] = report.microbatches;
  json["stageSeconds"] = Json::array();
  json["transfers"] = Json::array();
  for (const StageReport& s : report.stages) {
    json["stageSeconds"].push_back(s.predictedSeconds);
    Json totals = Json::object();
    for (const auto& [kind, total] : s.transfers) totals[kind] = {{"count", total.count}, {"bytes", total.bytes}};
    json["transfers"].push_back(std::move(totals));
  }
  if (!report.schedule.empty()) json["schedule"] = report.schedule;
  if (!report.timeline.empty()) json["idleFraction"] = report.idleFraction;
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace shardwright
