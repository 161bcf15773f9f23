#include "runtime/session/run_report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "runtime/exec/plan_image.h"
#include "runtime/plan/step_views.h"

namespace shardwright {
namespace {

std::string text(const char* format, double value) {
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, format, value);
  return buffer;
}

std::string milliseconds(double seconds) { return text("%.3f ms", seconds * 1e3); }
std::string megabytes(int64_t bytes) { return text("%.2f MB", static_cast<double>(bytes) / 1e6); }

nlohmann::json finite(double value) { return std::isfinite(value) ? nlohmann::json(value) : nlohmann::json(nullptr); }

}  // namespace

double RunReport::median() const {
  if (seconds.empty()) return 0;
  std::vector<double> sorted = seconds;
  std::sort(sorted.begin(), sorted.end());
  size_t middle = sorted.size() / 2;
  return sorted.size() % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

double RunReport::min() const { return seconds.empty() ? 0 : *std::min_element(seconds.begin(), seconds.end()); }

std::string reportJson(const RunReport& report) {
  nlohmann::ordered_json json;
  json["seconds"] = report.seconds;
  json["median"] = report.median();
  json["ranks"] = nlohmann::json::array();
  int64_t messageBytes = 0;
  for (size_t i = 0; i < report.ranks.size(); ++i) {
    const RankStats& stats = report.ranks[i];
    nlohmann::ordered_json collectives = nlohmann::json::object();
    for (int kind = 0; kind < kNumCollectiveKinds; ++kind) {
      int64_t bytes = stats.collectiveBytes[static_cast<size_t>(kind)];
      if (bytes > 0) collectives[collectiveKindName(static_cast<plan::CollectiveStep::Kind>(kind))] = bytes;
    }
    nlohmann::ordered_json rank;
    rank["rank"] = i;
    rank["peakBytes"] = stats.temporaryBytes;
    rank["weightBytes"] = stats.weightBytes;
    rank["constantBytes"] = stats.constantBytes;
    rank["scratchBytes"] = stats.scratchBytes;
    rank["collectiveBytes"] = collectives;
    rank["messageBytes"] = stats.messageBytes;
    messageBytes += stats.messageBytes;
    json["ranks"].push_back(rank);
  }
  json["messageBytes"] = messageBytes;
  if (!report.transport.empty()) json["transport"] = report.transport;
  json["outputs"] = nlohmann::json::array();
  for (size_t i = 0; i < report.outputs.size(); ++i) {
    nlohmann::ordered_json output;
    output["name"] = report.outputs[i];
    if (i < report.comparisons.size() && report.comparisons[i]) {
      output["maxAbsError"] = finite(report.comparisons[i]->maxAbsError);
      output["maxRelError"] = finite(report.comparisons[i]->maxRelError);
    }
    json["outputs"].push_back(output);
  }
  return json.dump(2) + "\n";
}

std::string reportText(const RunReport& report, const plan::Plan& plan) {
  std::string all;
  for (size_t i = 0; i < report.comparisons.size(); ++i) {
    const auto& comparison = report.comparisons[i];
    if (!comparison || !comparison->mismatch.empty()) continue;
    all += report.outputs[i] + ": largest error " + text("%.3g", comparison->maxAbsError) + " (relative " +
           text("%.3g", comparison->maxRelError) + ")\n";
  }
  if (!report.seconds.empty()) {
    all += std::to_string(report.seconds.size()) + (report.seconds.size() == 1 ? " run: " : " runs: median ") +
           milliseconds(report.median());
    if (report.seconds.size() > 1) all += ", min " + milliseconds(report.min());
    all += "\n";
  }
  for (size_t i = 0; i < report.ranks.size(); ++i) {
    const RankStats& stats = report.ranks[i];
    all += describeRank(plan.mesh(), static_cast<int>(i)) + ": weights " + megabytes(stats.weightBytes) +
           ", temporaries " + megabytes(stats.temporaryBytes);
    for (int kind = 0; kind < kNumCollectiveKinds; ++kind) {
      int64_t bytes = stats.collectiveBytes[static_cast<size_t>(kind)];
      if (bytes > 0)
        all += ", " + std::string(collectiveKindName(static_cast<plan::CollectiveStep::Kind>(kind))) + " " +
               megabytes(bytes);
    }
    all += "\n";
  }
  return all;
}

}  // namespace shardwright
