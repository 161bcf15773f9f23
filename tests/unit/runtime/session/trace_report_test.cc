#include "runtime/session/trace_report.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "runtime/session/session.h"
#include "runtime/session/trace_file.h"
#include "tests/unit/runtime/exec/run_ranks.h"
#include "tests/unit/runtime/session/waiting_pipeline.h"

namespace shardwright {
namespace {

constexpr int64_t kUs = 1000;

TracedEvent event(const std::string& kind, const std::string& op, uint32_t microbatch, int64_t beginUs, int64_t endUs,
                  int64_t bytes = 0) {
  TracedEvent result;
  result.kind = kind, result.op = op, result.name = (op.empty() ? kind : op) + "-step";
  if (kind == "collective") result.axes = "tp";
  result.run = 3, result.microbatch = microbatch;
  result.begin = beginUs * kUs, result.end = endUs * kUs, result.bytes = bytes;
  return result;
}

// Two stages of one rank, two microbatches, from 100 µs on:
//   rank 0 | 0 0 0 1 1 1 1 . . .      a step between two others takes nothing
//   rank 1 | . . . . 0 0 0 1 1 1      the first receive waits for 40 µs, and before the run begins, the second, behind a kernel, for 5 µs
Trace twoStages(const plan::Plan& plan) {
  Trace trace;
  trace.fingerprint = planFingerprint(plan);
  trace.ranks = {
      {event("chunk", "", 0, 100, 130), event("kernel", "matmul", 0, 100, 120),
       event("transfer", "send", 0, 120, 130, 48), event("chunk", "", 1, 130, 170),
       event("kernel", "matmul", 1, 130, 150), event("call", "", 1, 150, 160), event("program", "", 1, 151, 159),
       event("kernel", "loop", 1, 151, 158), event("transfer", "send", 1, 160, 170, 96)},
      {event("chunk", "", 0, 90, 170), event("transfer", "receive", 0, 90, 91, 48),
       event("wait", "receive", 0, 91, 140), event("kernel", "matmul", 0, 140, 160),
       event("collective", "all-reduce", 0, 160, 168, 1024), event("chunk", "", 1, 170, 200),
       event("kernel", "matmul", 1, 170, 180), event("transfer", "receive", 1, 180, 185, 96),
       event("kernel", "copy", 1, 185, 200)}};
  return trace;
}

plan::Plan planOfTwoStages() { return WaitingPipeline(testFolder(), "gpipe", {2, 2, 1, ScheduleForm::kForward}).plan; }

TEST(TraceReport, where_the_time_of_a_known_trace_went) {
  plan::Plan plan = planOfTwoStages();
  TraceReport report = reportTrace(plan, twoStages(plan));
  EXPECT_EQ(report.numRuns, 1);
  EXPECT_EQ(report.run, 3u);
  EXPECT_DOUBLE_EQ(report.seconds, 100e-6);
  EXPECT_DOUBLE_EQ(report.ranks[0].computing, 47e-6);
  EXPECT_DOUBLE_EQ(report.ranks[0].sending, 20e-6);
  EXPECT_DOUBLE_EQ(report.ranks[0].idle, 30e-6);
  EXPECT_DOUBLE_EQ(report.ranks[1].computing, 45e-6);
  EXPECT_DOUBLE_EQ(report.ranks[1].collectives, 8e-6);
  EXPECT_DOUBLE_EQ(report.ranks[1].receiving, 45e-6);
  EXPECT_DOUBLE_EQ(report.ranks[1].idle, 45e-6);
  EXPECT_DOUBLE_EQ(report.idleFraction, 0.375);
  EXPECT_DOUBLE_EQ(report.stages[1].seconds, 55e-6);
  EXPECT_DOUBLE_EQ(report.stages[1].microbatches.at(0), 30e-6);
  EXPECT_DOUBLE_EQ(report.stages[1].microbatches.at(1), 25e-6);
  EXPECT_DOUBLE_EQ(report.microbatches.at(0), 70e-6);
  EXPECT_DOUBLE_EQ(report.microbatches.at(1), 70e-6);
  const TrafficTotal& received = report.stages[1].traffic.at("receive");
  EXPECT_EQ(received.count, 2);
  EXPECT_EQ(received.bytes, 144);
  EXPECT_DOUBLE_EQ(received.seconds, 45e-6);
  EXPECT_EQ(report.stages[1].traffic.at("all-reduce over tp").bytes, 1024);
  ASSERT_EQ(report.timeline[1].size(), 2u);
  EXPECT_DOUBLE_EQ(report.timeline[1][0].start, 40e-6);  // behind the receive
  EXPECT_DOUBLE_EQ(report.timeline[1][0].end, 70e-6);
}

TEST(TraceReport, text_draws_and_tells) {
  plan::Plan plan = planOfTwoStages();
  std::string text = traceText(reportTrace(plan, twoStages(plan)), *reportPlan(plan, ""), -1, StepListing::kListed);
  for (const char* part :
       {"measured 100 us, 38 % idle, in run 3, the median of 1, a cell is 30 us\n", "rank 0 | 0 1 .\nrank 1 | . 0 1\n",
        "rank 1 (pp=1, tp=0)           45 us       8 us        0 us        45 us       45 %\n",
        "stage 1: 55 us in actions", "microbatches 0: 30 us, 1: 25 us", "2 receive                          144 B",
        "1 all-reduce over tp", "all-reduce-step", "microbatches from first to last action: 0: 70 us, 1: 70 us\n"})
    EXPECT_NE(text.find(part), std::string::npos) << part << " in\n" << text;
}

TEST(TraceReport, json_and_file_hold_the_same) {
  plan::Plan plan = planOfTwoStages();
  Trace trace = twoStages(plan);
  trace.clockError = 1500;
  StatusOr<Trace> again = readTrace(plan, traceJson(plan, trace), "t.json");
  ASSERT_TRUE(again.ok()) << again.status().message();
  EXPECT_EQ(traceJson(plan, *again), traceJson(plan, trace));
  auto measured = nlohmann::json::parse(withMeasured("{\"stages\": 2}", reportTrace(plan, *again), -1))["measured"];
  EXPECT_DOUBLE_EQ(measured["idleFraction"], 0.375);
  EXPECT_DOUBLE_EQ(measured["ranks"][1]["idle"], 45e-6);
  EXPECT_DOUBLE_EQ(measured["clockErrorSeconds"], 1.5e-6);
  EXPECT_EQ(measured["stages"][1]["traffic"]["all-reduce over tp"]["bytes"], 1024);
}

TEST(TraceReport, of_several_runs_the_median_is_shown) {
  plan::Plan plan = planOfTwoStages();
  Trace trace = twoStages(plan);
  for (uint32_t run : {4, 5}) {
    for (auto& events : trace.ranks) {
      TracedEvent chunk = event("chunk", "", 0, 1000 * run, 1000 * run + (run == 4 ? 20 : 2000));
      chunk.run = run;
      events.push_back(chunk);
    }
  }
  EXPECT_EQ(reportTrace(plan, trace).run, 3u);
  EXPECT_EQ(reportTrace(plan, trace).numRuns, 3);
}

TEST(TraceFile, what_is_no_trace_of_the_plan_is_refused) {
  plan::Plan plan = planOfTwoStages(), other = plan;
  other.set_producer("another");
  std::string good = traceJson(plan, twoStages(plan));
  auto replaced = [&](const std::string& what, const std::string& by) {
    std::string text = good;
    size_t at = text.find(what);
    EXPECT_NE(at, std::string::npos) << what;
    return text.replace(at, what.size(), by);
  };
  std::string justHead = good.substr(0, good.find("\"traceEvents\"")) + "\"traceEvents\":[]}";
  struct Case {
    std::string json, message;
  };
  for (const Case& c : std::vector<Case>{{good.substr(0, good.size() / 2), "is not JSON to its end"},
                                         {"", "is not JSON to its end"},
                                         {"[1, 2]", "has no \"traceEvents\""},
                                         {"{\"traceEvents\": []}", "does not say which plan it is of"},
                                         {traceJson(other, twoStages(other)), "is of plan "},
                                         {replaced("\"tid\":1,\"ts\"", "\"tid\":2,\"ts\""), "without rank, times"},
                                         {replaced("\"ts\":", "\"ts\":-"), "without rank, times"},
                                         {replaced("\"microbatch\":0", "\"microbatch\":-1"), "without rank, times"},
                                         {replaced("\"ts\":100.0", "\"ts\":1000.0"), "is not in the order"},
                                         {"{\"traceEvents\": 7}", "does not say which plan it is of"},
                                         {justHead, "has nothing of rank 0"}}) {
    StatusOr<Trace> read = readTrace(plan, c.json, "t.json");
    ASSERT_FALSE(read.ok()) << c.message;
    EXPECT_EQ(read.status().code(), StatusCode::kUserError);
    EXPECT_NE(read.status().message().find(c.message), std::string::npos) << read.status().message();
  }
}

// A session's own trace: each schedule's actions in the plan's order, nested events, and idle time as the formula has it where
// every action takes equally long. How long is only looked at with SHARDWRIGHT_FULL set, on a machine left alone.
TEST(TraceReport, the_schedules_of_a_pipeline_whose_work_is_waiting) {
  const bool measures = std::getenv("SHARDWRIGHT_FULL") != nullptr;
  constexpr int kRanks = 4, kMicrobatches = 4;
  for (const auto& [schedule, chunks] : {std::pair{"gpipe", 1}, {"1f1b", 1}, {"interleaved", 2}, {"interleaved", 3}}) {
    SCOPED_TRACE(schedule);
    std::string folder = testFolder();
    WaitingPipeline built(folder, schedule, {kRanks, kMicrobatches, chunks, ScheduleForm::kForward});
    SessionOptions options;
    options.trace = true;
    options.wrapWorld = [&](std::unique_ptr<World> world) -> std::unique_ptr<World> {
      return std::make_unique<SlowWorld>(std::move(world), std::chrono::milliseconds(measures ? 20 : 1));
    };
    auto session = Session::open(folder, options);
    ASSERT_TRUE(session.ok()) << session.status().message();
    std::vector<HostTensor> inputs, outputs;
    inputs.push_back(HostTensor::make(DType::kFloat32, {kMicrobatches, 3}));
    for (int i = 0; i < 3 * kMicrobatches; ++i) inputs[0].as<float>()[i] = static_cast<float>(i + 1);
    for (int run = 0; run < 3; ++run) ASSERT_TRUE((*session)->run(inputs, outputs).ok());
    for (int i = 0; i < 3 * kMicrobatches; ++i) EXPECT_EQ(outputs[0].as<float>()[i], static_cast<float>(i + 1));
    TraceReport report = reportTrace((*session)->plan(), (*session)->trace());
    EXPECT_EQ(report.numRuns, 3);
    for (int rank = 0; rank < kRanks; ++rank) {
      const auto& planned = built.plan.entries(0).stages(rank).actions();
      const auto& seen = report.timeline[static_cast<size_t>(rank)];
      ASSERT_EQ(static_cast<int>(seen.size()), planned.size());
      for (int i = 0; i < planned.size(); ++i) {
        EXPECT_EQ(seen[static_cast<size_t>(i)].action.microbatch(), planned[i].microbatch());
        EXPECT_EQ(seen[static_cast<size_t>(i)].action.chunk(), planned[i].chunk());
      }
      EXPECT_EQ(report.stages[static_cast<size_t>(rank)].traffic.at("all-reduce over tp").count,
                kMicrobatches * chunks);
    }
    double expected = static_cast<double>(kRanks - 1) / (chunks * kMicrobatches + kRanks - 1);
    RecordProperty(std::string(schedule) + std::to_string(chunks), std::to_string(report.idleFraction));
    if (measures) {
      EXPECT_NEAR(report.idleFraction, expected, 0.15 * expected);
    }
  }
}

}  // namespace
}  // namespace shardwright
