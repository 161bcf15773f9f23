#include "runtime/session/trace_report.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "runtime/exec/plan_image.h"
#include "runtime/plan/mesh_ranks.h"
#include "runtime/plan/report_text.h"
#include "runtime/plan/schedule_text.h"

namespace shardwright {
namespace {

double inSeconds(int64_t nanoseconds) { return static_cast<double>(nanoseconds) / 1e9; }

struct Span {
  int64_t begin = INT64_MAX, end = INT64_MIN;
  void add(int64_t from, int64_t to) { begin = std::min(begin, from), end = std::max(end, to); }
  int64_t took() const { return end > begin ? end - begin : 0; }
};

bool isProgram(const TracedEvent& event) { return event.kind == "chunk" || event.kind == "program"; }
// A call's own time is that of the steps that it runs.
bool isLeaf(const TracedEvent& event) { return !isProgram(event) && event.kind != "call"; }
bool isReceive(const TracedEvent& event) { return event.op == "receive"; }
bool isTraffic(const TracedEvent& event) {
  return event.kind == "collective" || event.kind == "transfer" || event.kind == "wait";
}

// Calls visit(action, steps' first and last index + 1) for each action of a rank. What a called program does is among them.
template <typename Visit>
void forActions(const std::vector<TracedEvent>& events, Visit visit) {
  for (size_t i = 0; i < events.size(); ++i) {
    if (events[i].kind != "chunk") continue;
    size_t last = i + 1;
    while (last < events.size() && events[last].kind != "chunk" && events[last].end <= events[i].end) ++last;
    visit(events[i], i + 1, last);
  }
}

// Where the action's work begins: behind the receives that it begins with.
int64_t workBegin(const std::vector<TracedEvent>& events, const TracedEvent& action, size_t first, size_t last) {
  for (size_t i = first; i < last; ++i)
    if (isLeaf(events[i]) && !isReceive(events[i])) return events[i].begin;
  return first == last ? action.begin : action.end;
}

// A rank that comes early and waits for its first receive does not begin the run.
std::map<uint32_t, Span> spansOfRuns(const Trace& trace) {
  std::map<uint32_t, Span> runs;
  for (const auto& events : trace.ranks) {
    forActions(events, [&](const TracedEvent& action, size_t first, size_t last) {
      runs[action.run].add(workBegin(events, action, first, last), action.end);
    });
  }
  return runs;
}

uint32_t medianRun(const std::map<uint32_t, Span>& runs) {
  std::vector<std::pair<int64_t, uint32_t>> byTime;
  for (const auto& [run, span] : runs) byTime.emplace_back(span.took(), run);
  std::sort(byTime.begin(), byTime.end());
  return byTime.empty() ? 0 : byTime[byTime.size() / 2].second;
}

// One rank's events of the run that is shown, action by action.
class RankReader {
 public:
  RankReader(const Span& run, const std::vector<TracedEvent>& events, StageTimes& stage, bool countsTraffic)
      : run_(run), events_(events), stage_(stage), countsTraffic_(countsTraffic) {}

  void read(uint32_t run, double ranksOfStage, std::map<uint32_t, Span>& microbatches) {
    int64_t busy = 0;
    forActions(events_, [&](const TracedEvent& action, size_t first, size_t last) {
      if (action.run != run) return;
      int64_t begin = workBegin(events_, action, first, last), worked = action.end - begin;
      for (size_t i = first; i < last; ++i) worked -= readStep(events_[i], begin);
      busy += worked;
      microbatches[action.microbatch].add(begin, action.end);
      stage_.microbatches[action.microbatch] += inSeconds(worked) / ranksOfStage;
      TimedAction timed;
      timed.action.set_microbatch(action.microbatch);
      timed.action.set_chunk(action.chunk);
      timed.start = inSeconds(begin - run_.begin), timed.end = inSeconds(action.end - run_.begin);
      actions.push_back(timed);
    });
    times.idle = inSeconds(run_.took() - busy);
    stage_.seconds += inSeconds(busy) / ranksOfStage;
  }

  RankTimes times;
  std::vector<TimedAction> actions;

 private:
  // Returns how long a receive took that comes after work of its action.
  int64_t readStep(const TracedEvent& event, int64_t workBegin) {
    if (!isLeaf(event)) return 0;
    if (isTraffic(event)) addTraffic(event);
    addTime(event);
    return isReceive(event) && event.begin >= workBegin ? event.took() : 0;
  }

  // Waiting for the run to begin belongs to no run.
  int64_t tookInRun(const TracedEvent& event) const {
    return std::max<int64_t>(event.end - std::max(event.begin, run_.begin), 0);
  }

  void addTime(const TracedEvent& event) {
    double& kind = !isTraffic(event)    ? times.computing
                   : isReceive(event)   ? times.receiving
                   : event.op == "send" ? times.sending
                                        : times.collectives;
    kind += inSeconds(tookInRun(event));
  }

  void addTraffic(const TracedEvent& event) {
    if (!countsTraffic_) return;
    TrafficTotal& total = stage_.traffic[event.op + (event.axes.empty() ? "" : " over " + event.axes)];
    total.seconds += inSeconds(tookInRun(event));
    if (event.kind == "wait") return;
    for (TrafficTotal* counted : {&total, &stage_.trafficSteps[event.name]}) {
      ++counted->count;
      counted->bytes += event.bytes;
    }
    stage_.trafficSteps[event.name].seconds += inSeconds(tookInRun(event));
  }

  const Span& run_;
  const std::vector<TracedEvent>& events_;
  StageTimes& stage_;
  bool countsTraffic_;
};

nlohmann::ordered_json trafficJson(const std::map<std::string, TrafficTotal>& traffic) {
  nlohmann::ordered_json json = nlohmann::json::object();
  for (const auto& [kind, total] : traffic)
    json[kind] = {{"count", total.count}, {"bytes", total.bytes}, {"seconds", total.seconds}};
  return json;
}

std::string trafficText(const std::map<std::string, TrafficTotal>& traffic, size_t indent) {
  std::string text;
  for (const auto& [what, total] : traffic)
    text += std::string(indent, ' ') + padded(std::to_string(total.count) + " " + what, 34) + " " +
            padded(bytesText(total.bytes), 12) + secondsText(total.seconds) + "\n";
  return text;
}

std::string microbatchesText(const std::map<uint32_t, double>& seconds) {
  std::vector<std::string> parts;
  for (const auto& [microbatch, took] : seconds) parts.push_back(std::to_string(microbatch) + ": " + secondsText(took));
  return joined(parts, ", ");
}

}  // namespace

TraceReport reportTrace(const plan::Plan& plan, const Trace& trace) {
  TraceReport report;
  std::map<uint32_t, Span> runs = spansOfRuns(trace);
  report.numRuns = static_cast<int64_t>(runs.size());
  report.run = medianRun(runs);
  const Span& shown = runs[report.run];
  report.seconds = inSeconds(shown.took());
  report.clockErrorSeconds = inSeconds(trace.clockError);
  int stages = numStages(plan.mesh()), ranks = static_cast<int>(trace.ranks.size());
  report.stages.resize(static_cast<size_t>(stages));
  std::map<uint32_t, Span> microbatches;
  double idle = 0;
  for (int rank = 0; rank < ranks; ++rank) {
    int stage = stageOf(plan.mesh(), rank);
    RankReader reader(shown, trace.ranks[static_cast<size_t>(rank)], report.stages[static_cast<size_t>(stage)],
                      rank == lastRankOf(plan.mesh(), stage));
    reader.read(report.run, static_cast<double>(ranks) / stages, microbatches);
    idle += reader.times.idle;
    report.ranks.push_back(reader.times);
    report.timeline.push_back(std::move(reader.actions));
    report.rankNames.push_back(describeRank(plan.mesh(), rank));
  }
  for (const auto& [microbatch, span] : microbatches) report.microbatches[microbatch] = inSeconds(span.took());
  report.idleFraction = report.seconds > 0 ? idle / (report.seconds * ranks) : 0;
  return report;
}

std::string traceText(const TraceReport& report, const PlanReport& predicted, int rank, StepListing steps) {
  std::string text = "measured " + secondsText(report.seconds) + ", " + percentText(report.idleFraction) +
                     " idle, in run " + std::to_string(report.run) + ", the median of " +
                     std::to_string(report.numRuns) + ", a cell is " + secondsText(cellSeconds(report.timeline)) + "\n";
  if (report.clockErrorSeconds > 0)
    text += "clocks of processes agree within " + secondsText(report.clockErrorSeconds) + "\n";
  text += scheduleText(report.timeline);
  text += "  " + padded("", 30) + "computing   collectives sending     receiving   idle\n";
  for (size_t r = 0; r < report.ranks.size(); ++r) {
    if (rank >= 0 && static_cast<size_t>(rank) != r) continue;
    const RankTimes& times = report.ranks[r];
    text += "  " + padded(report.rankNames[r], 30);
    for (double seconds : {times.computing, times.collectives, times.sending, times.receiving})
      text += padded(secondsText(seconds), 12);
    text += percentText(report.seconds > 0 ? times.idle / report.seconds : 0) + "\n";
  }
  for (size_t s = 0; s < report.stages.size(); ++s) {
    if (rank >= 0 && predicted.ranks[static_cast<size_t>(rank)].stage != static_cast<int>(s)) continue;
    const StageTimes& stage = report.stages[s];
    text += "stage " + std::to_string(s) + ": " + secondsText(stage.seconds) + " in actions, " +
            secondsText(predicted.stages[s].predictedSeconds) + " as predicted; microbatches " +
            microbatchesText(stage.microbatches) + "\n" + trafficText(stage.traffic, 2);
    if (steps == StepListing::kListed) text += trafficText(stage.trafficSteps, 4);
  }
  return text + "microbatches from first to last action: " + microbatchesText(report.microbatches) + "\n";
}

std::string withMeasured(const std::string& reportJson, const TraceReport& report, int rank) {
  nlohmann::ordered_json json = nlohmann::ordered_json::parse(reportJson);
  nlohmann::ordered_json& measured = json["measured"];
  measured = {{"seconds", report.seconds},
              {"idleFraction", report.idleFraction},
              {"runs", report.numRuns},
              {"run", report.run},
              {"clockErrorSeconds", report.clockErrorSeconds}};
  for (const char* key : {"ranks", "stages", "microbatches"}) measured[key] = nlohmann::json::array();
  for (size_t r = 0; r < report.ranks.size(); ++r) {
    if (rank >= 0 && static_cast<size_t>(rank) != r) continue;
    const RankTimes& times = report.ranks[r];
    measured["ranks"].push_back({{"rank", r},
                                 {"computing", times.computing},
                                 {"collectives", times.collectives},
                                 {"sending", times.sending},
                                 {"receiving", times.receiving},
                                 {"idle", times.idle}});
  }
  for (const StageTimes& stage : report.stages) {
    nlohmann::ordered_json microbatches = nlohmann::json::array();
    for (const auto& [microbatch, seconds] : stage.microbatches)
      microbatches.push_back({{"microbatch", microbatch}, {"seconds", seconds}});
    measured["stages"].push_back(
        {{"seconds", stage.seconds}, {"microbatches", microbatches}, {"traffic", trafficJson(stage.traffic)}});
  }
  for (const auto& [microbatch, seconds] : report.microbatches)
    measured["microbatches"].push_back({{"microbatch", microbatch}, {"seconds", seconds}});
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

std::string traceSummary(const TraceReport& report) {
  std::string text;
  double all = report.seconds > 0 ? report.seconds : 1;
  for (size_t r = 0; r < report.ranks.size(); ++r) {
    const RankTimes& times = report.ranks[r];
    text += report.rankNames[r] + ": " + percentText(times.computing / all) + " computing, " +
            percentText(times.collectives / all) + " in collectives, " + percentText(times.sending / all) +
            " sending, " + percentText(times.idle / all) + " idle\n";
  }
  return text;
}

}  // namespace shardwright
