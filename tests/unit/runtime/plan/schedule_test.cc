#include "runtime/plan/schedule.h"

#include <gtest/gtest.h>

#include "runtime/plan/schedule_text.h"

namespace shardwright {
namespace {

using Action = plan::Entry::Action;

// Every action of a kind takes the same; F, B and W are those of a rank's whole stage.
struct Times {
  double forward, input, weight;
  int chunks = 1;

  double of(const Action& a) const {
    double stage = a.kind() == Action::FORWARD          ? forward
                   : a.kind() == Action::BACKWARD       ? input + weight
                   : a.kind() == Action::BACKWARD_INPUT ? input
                                                        : weight;
    return stage / chunks;
  }
  ScheduleCosts costs() const {
    return {[*this](int, const Action& a) { return of(a); }, 0};
  }
};

SimulatedSchedule simulated(const std::string& name, const ScheduleShape& shape, Times times) {
  times.chunks = shape.chunksPerRank;
  StatusOr<std::vector<ActionList>> schedule = makeSchedule(name, shape);
  EXPECT_TRUE(schedule.ok()) << schedule.status().message();
  StatusOr<SimulatedSchedule> result = simulate(*schedule, times.costs());
  EXPECT_TRUE(result.ok()) << result.status().message();
  return *result;
}

// Ranks are busy for m · (F + B) and idle for `bubble`.
void expectBubble(const SimulatedSchedule& simulated, double busy, double bubble) {
  EXPECT_NEAR(simulated.seconds, busy + bubble, 1e-9);
  EXPECT_NEAR(simulated.idleFraction, bubble / (busy + bubble), 1e-9);
}

class Formula : public testing::TestWithParam<std::tuple<int, int>> {
 protected:
  int p = std::get<0>(GetParam()), m = std::get<1>(GetParam());
  ScheduleShape training() const { return {p, m, 1, ScheduleForm::kTraining}; }
  double fraction() const { return (p - 1.0) / (m + p - 1.0); }
};

TEST_P(Formula, gpipe) {
  SimulatedSchedule s = simulated("gpipe", training(), {1, 1.25, 0.75});
  expectBubble(s, m * 3.0, (p - 1) * 3.0);
  EXPECT_NEAR(s.idleFraction, fraction(), 1e-9);
  EXPECT_EQ(s.mostInFlight, std::vector<int>(p, m));
}

TEST_P(Formula, one_forward_one_backward) {
  SimulatedSchedule s = simulated("1f1b", training(), {1, 1.25, 0.75});
  expectBubble(s, m * 3.0, (p - 1) * 3.0);
  EXPECT_NEAR(s.idleFraction, fraction(), 1e-9);
  for (int r = 0; r < p; ++r) EXPECT_EQ(s.mostInFlight[r], std::min(m, p - r)) << "rank " << r;
}

TEST_P(Formula, zero_bubble_h1) {
  if (m < p) return;  // the formula is that of a full pipeline
  SimulatedSchedule s = simulated("zb-h1", training(), {1, 1, 1});
  expectBubble(s, m * 3.0, (p - 1) * (1 + 2 - 2 * 1.0));
  for (int r = 0; r < p; ++r) EXPECT_LE(s.mostInFlight[r], p) << "rank " << r;
}

// Each rank is busy without a pause from its first action to its last one; that they begin one after another is what the
// formula's zero leaves out.
TEST_P(Formula, zero_bubble_h2) {
  if (m < 2 * p) return;
  SimulatedSchedule s = simulated("zb-h2", training(), {1, 1, 1});
  for (int r = 0; r < p; ++r) {
    EXPECT_NEAR(s.timeline[r].back().end - s.timeline[r].front().start, 3.0 * m, 1e-9) << "rank " << r;
    EXPECT_LE(s.mostInFlight[r], 2 * p) << "rank " << r;
  }
}

TEST_P(Formula, forward_only) {
  for (const char* name : {"gpipe", "1f1b", "zb-h1", "zb-h2"}) {
    SimulatedSchedule s = simulated(name, {p, m, 1, ScheduleForm::kForward}, {0.5, 0, 0});
    expectBubble(s, m * 0.5, (p - 1) * 0.5);
    EXPECT_NEAR(s.idleFraction, fraction(), 1e-9);
    EXPECT_EQ(s.mostInFlight, std::vector<int>(p, 1));
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, Formula,
                         testing::Combine(testing::Values(1, 2, 3, 4, 7, 8), testing::Values(1, 2, 3, 5, 8, 16, 33)));

TEST(Interleaved, equals_the_formulas) {
  for (int p : {1, 2, 3, 4, 8})
    for (int rounds : {1, 2, 5})
      for (int v : {2, 3, 4}) {
        SCOPED_TRACE("p " + std::to_string(p) + " rounds " + std::to_string(rounds) + " v " + std::to_string(v));
        int m = p * rounds;
        SimulatedSchedule s = simulated("interleaved", {p, m, v, ScheduleForm::kTraining}, {1, 1.25, 0.75});
        expectBubble(s, m * 3.0, (p - 1) * 3.0 / v);
        EXPECT_NEAR(s.idleFraction, (p - 1.0) / (v * m + p - 1.0), 1e-9);
        // p · (1 + (p-1) / (p·v)) stages' worth, in chunks; all there are if there is one round.
        EXPECT_EQ(s.mostInFlight[0], std::min(m * v, p * v + p - 1));
        s = simulated("interleaved", {p, m, v, ScheduleForm::kForward}, {1, 0, 0});
        expectBubble(s, m, (p - 1.0) / v);
      }
}

TEST(Schedule, general_time_is_the_sum_and_the_longest_stage) {
  std::vector<ActionList> schedule = *makeSchedule("gpipe", {3, 5, 1, ScheduleForm::kForward});
  double stage[] = {1, 2.5, 2};
  SimulatedSchedule s = *simulate(schedule, {[&](int rank, const Action&) { return stage[rank]; }, 0.25});
  EXPECT_NEAR(s.seconds, 5.5 + 4 * 2.5 + 2 * 0.25, 1e-9);
}

TEST(Schedule, forward_rounds_need_not_be_full) {
  auto schedule = makeSchedule("interleaved", {2, 3, 2, ScheduleForm::kForward});
  ASSERT_TRUE(schedule.ok()) << schedule.status().message();
  std::string text;
  for (const plan::Entry::Action& action : (*schedule)[1])
    text += std::to_string(action.microbatch()) + ":" + std::to_string(action.chunk()) + " ";
  EXPECT_EQ(text, "0:0 1:0 0:1 1:1 2:0 2:1 ");
}

TEST(Schedule, refuses_what_it_has_no_form_for) {
  EXPECT_EQ(makeSchedule("2f2b", {}).status().message(),
            "there is no schedule '2f2b'; allowed: gpipe, 1f1b, interleaved, zb-h1, zb-h2");
  EXPECT_EQ(
      makeSchedule("interleaved", {4, 6, 2, ScheduleForm::kTraining}).status().message(),
      "schedule 'interleaved' takes microbatches in rounds of as many as there are stages: 6 is no multiple of 4; "
      "use another number of microbatches, or schedule '1f1b'");
  EXPECT_EQ(makeSchedule("1f1b", {4, 6, 2, {}}).status().message(),
            "schedule '1f1b' has one chunk per rank, not 2; use schedule 'interleaved'");
  EXPECT_EQ(makeSchedule("interleaved", {4, 4, 1, {}}).status().code(), StatusCode::kUserError);
  EXPECT_EQ(makeSchedule("gpipe", {4, 0, 1, {}}).status().code(), StatusCode::kUserError);
}

TEST(Simulation, cyclic_wait_names_its_members) {
  std::vector<ActionList> schedule = *makeSchedule("1f1b", {3, 4, 1, ScheduleForm::kTraining});
  // Rank 1 wants microbatch 0 back before it has sent microbatch 0 on: F0 F1 B0 … becomes F1 B0 F0 ….
  std::rotate(schedule[1].begin(), schedule[1].begin() + 1, schedule[1].begin() + 3);
  Status status = simulate(schedule, Times{1, 1, 1}.costs()).status();
  EXPECT_EQ(status.message(),
            "internal error: the actions wait for one another: rank 1's backward of microbatch 0 on chunk 0 waits for "
            "rank 1's forward of microbatch 0 on chunk 0");
  schedule = *makeSchedule("1f1b", {2, 4, 1, ScheduleForm::kTraining});
  std::swap(schedule[1][0], schedule[1][2]);
  std::swap(schedule[1][1], schedule[1][3]);  // F1 B1 F0 B0: later, but possible
  EXPECT_TRUE(simulate(schedule, Times{1, 1, 1}.costs()).ok());
  std::swap(schedule[0][1], schedule[0][2]);  // F0 B0 F1: not before rank 1 has done F1
  EXPECT_EQ(simulate(schedule, Times{1, 1, 1}.costs()).status().message(),
            "internal error: the actions wait for one another: rank 0's backward of microbatch 0 on chunk 0 waits for "
            "rank 1's backward of microbatch 0 on chunk 0; rank 1's forward of microbatch 1 on chunk 0 waits for "
            "rank 0's forward of microbatch 1 on chunk 0");
}

TEST(Simulation, names_what_nobody_does) {
  std::vector<ActionList> schedule = *makeSchedule("zb-h1", {3, 4, 1, ScheduleForm::kTraining});
  schedule[1].erase(schedule[1].begin());  // F0
  EXPECT_EQ(
      simulate(schedule, Times{1, 1, 1}.costs()).status().message(),
      "internal error: rank 1's input gradient of microbatch 0 on chunk 0 needs rank 1's forward of microbatch 0 on "
      "chunk 0, which nobody does");
  schedule = *makeSchedule("gpipe", {3, 4, 1, ScheduleForm::kForward});
  schedule[2].push_back(schedule[2][1]);
  EXPECT_EQ(simulate(schedule, Times{1, 1, 1}.costs()).status().message(),
            "internal error: rank 2's forward of microbatch 1 on chunk 0 is in its list twice");
}

std::string drawn(const std::string& name, const ScheduleShape& shape, Times times, double unit = 0) {
  return "\n" + scheduleText(simulated(name, shape, times).timeline, unit);
}

TEST(ScheduleText, forward_only) {
  EXPECT_EQ(drawn("gpipe", {3, 12, 1, ScheduleForm::kForward}, {2, 0, 0}), R"(
rank 0 |  0  1  2  3  4  5  6  7  8  9 10 11  .  .
rank 1 |  .  0  1  2  3  4  5  6  7  8  9 10 11  .
rank 2 |  .  .  0  1  2  3  4  5  6  7  8  9 10 11
)");
}

TEST(ScheduleText, backward_twice_as_long_as_forward) {
  EXPECT_EQ(drawn("1f1b", {2, 3, 1, ScheduleForm::kTraining}, {1, 1, 1}), R"(
rank 0 |  0  1  .  . B0 --  2 B1 --  . B2 --
rank 1 |  .  0 B0 --  1 B1 --  2 B2 --  .  .
)");
}

TEST(ScheduleText, split_backward) {
  EXPECT_EQ(drawn("zb-h1", {4, 6, 1, ScheduleForm::kTraining}, {1, 1, 1}), R"(
rank 0 |  0  1  2  3  .  .  . b0 w0  4 b1 w1  5 b2 w2 b3 w3 b4 w4 b5 w5
rank 1 |  .  0  1  2  .  . b0  3 b1 w0  4 b2 w1  5 b3 w2 b4 w3 b5 w4 w5
rank 2 |  .  .  0  1  . b0  2 b1  3 b2 w0  4 b3 w1  5 b4 w2 b5 w3 w4 w5
rank 3 |  .  .  .  0 b0  1 b1  2 b2  3 b3 w0  4 b4 w1  5 b5 w2 w3 w4 w5
)");
}

TEST(ScheduleText, chunks) {
  EXPECT_EQ(drawn("interleaved", {2, 4, 2, ScheduleForm::kTraining}, {1, 1, 1}), R"(
rank 0 |  0a  1a  0b  1b  2a   . B0b ---  3a B1b ---  2b B0a ---  3b B1a ---   . B2b ---   . B3b --- B2a --- B3a ---
rank 1 |   .  0a  1a  0b B0b ---  1b B1b ---  2a B0a ---  3a B1a ---  2b B2b ---  3b B3b --- B2a --- B3a ---   .   .
)");
}

TEST(ScheduleText, more_time_than_cells) {
  Timeline timeline = simulated("gpipe", {2, 30, 1, ScheduleForm::kForward}, {1, 0, 0}).timeline;
  EXPECT_EQ("\n" + scheduleText(timeline, cellSeconds(timeline, /*maxCells=*/6)), R"(
rank 0 |  2  7 12 18 23 28
rank 1 |  1  6 11 17 22 27
)");
  EXPECT_EQ(scheduleText({}), "");
}

}  // namespace
}  // namespace shardwright
