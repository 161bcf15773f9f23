#include "passes/optimize/step_order.h"

#include <gtest/gtest.h>

#include <random>

namespace shardwright {
namespace {

using Kind = OrderedStep::Kind;

OrderedStep computing(double seconds, std::vector<int> needs, int64_t bytes = 1) {
  OrderedStep step;
  step.seconds = seconds;
  step.needs = std::move(needs);
  step.bytes = bytes;
  return step;
}

OrderedStep collective(double background, std::vector<int> needs, int group = 0, int64_t bytes = 1) {
  OrderedStep step = computing(0, std::move(needs), bytes);
  step.kind = Kind::kCollective;
  step.backgroundSeconds = background;
  step.group = group;
  return step;
}

OrderedStep transfer(Kind kind, std::vector<int> needs) {
  OrderedStep step = computing(1, std::move(needs), kind == Kind::kReceive ? 1 : 0);
  step.kind = kind;
  return step;
}

std::string text(const StepOrder& order) {
  std::string result;
  for (const StepAction& action : order.actions) {
    const char* what = action.kind == StepAction::Kind::kRun ? "" : action.kind == StepAction::Kind::kStart ? "+" : "=";
    result += (result.empty() ? "" : " ") + (what + std::to_string(action.step));
  }
  return result;
}

TEST(StepOrder, a_chain_stays_as_it_is) {
  std::vector<OrderedStep> steps = {computing(2, {}), collective(3, {0}), computing(1, {1}), collective(5, {2})};
  EXPECT_EQ(text(bestOrder(steps, 6400)), "0 1 2 3");
  EXPECT_EQ(bestOrder(steps, 6400).seconds, 11);
}

TEST(StepOrder, what_is_gathered_is_computed_before_what_is_not) {
  // q, k, v, gather k, gather v, attention
  std::vector<OrderedStep> steps = {computing(4, {}),   computing(2, {}),   computing(2, {}),
                                    collective(3, {1}), collective(3, {2}), computing(1, {0, 3, 4})};
  StepOrder best = bestOrder(steps, 6400);
  EXPECT_EQ(text(best), "1 +3 2 +4 0 =3 =4 5");
  EXPECT_EQ(givenOrder(steps).seconds, 15);
  EXPECT_EQ(best.seconds, 9) << "the second gather is over 8 seconds after the start";
}

TEST(StepOrder, a_step_that_would_wait_lets_later_ones_go_first) {
  std::vector<OrderedStep> steps = {computing(1, {}), collective(6, {0}), computing(2, {1}), computing(4, {}),
                                    computing(1, {2, 3})};
  EXPECT_EQ(text(bestOrder(steps, 6400)), "0 +1 3 =1 2 4");
}

TEST(StepOrder, no_more_lives_at_a_time_than_is_allowed) {
  // Done early, step 3's 50 times 64 bytes live beside the collective's result.
  std::vector<OrderedStep> steps = {computing(1, {}, 7 * 64), collective(6, {0}, 0, 7 * 64), computing(2, {1}, 40 * 64),
                                    computing(4, {}, 50 * 64), computing(1, {2, 3}, 64)};
  EXPECT_EQ(givenOrder(steps).peakBytes, 91 * 64);
  EXPECT_EQ(text(bestOrder(steps, 97 * 64)), "0 +1 3 =1 2 4");
  EXPECT_EQ(bestOrder(steps, 97 * 64).peakBytes, 97 * 64);
  EXPECT_EQ(text(bestOrder(steps, 97 * 64 - 1)), "0 1 2 3 4");
}

TEST(StepOrder, waits_of_a_group_come_in_the_order_of_its_starts) {
  // The later start is wanted first; another group's is not waited for with it.
  std::vector<OrderedStep> steps = {computing(1, {}),      collective(2, {0}, 7), collective(2, {0}, 8),
                                    collective(2, {0}, 7), computing(9, {}),      computing(1, {3}),
                                    computing(1, {1}),     computing(1, {2})};
  EXPECT_EQ(text(bestOrder(steps, 6400)), "0 +1 +2 +3 4 =1 =3 5 6 =2 7");
}

TEST(StepOrder, a_collective_that_must_not_overlap_does_not) {
  std::vector<OrderedStep> steps = {computing(1, {}), collective(6, {0}), computing(4, {}), computing(1, {1, 2})};
  EXPECT_EQ(text(bestOrder(steps, 6400)), "0 +1 2 =1 3");
  steps[1].mayOverlap = false;
  EXPECT_EQ(text(bestOrder(steps, 6400)), "0 1 2 3");
}

TEST(StepOrder, sends_come_early_and_receives_late) {
  // receive, what needs it, what does not, what needs both, a send of the third, one of the fourth
  std::vector<OrderedStep> steps = {
      transfer(Kind::kReceive, {}), computing(1, {0}),          computing(1, {}),
      computing(1, {1, 2}),         transfer(Kind::kSend, {3}), transfer(Kind::kSend, {2})};
  EXPECT_EQ(text(bestOrder(steps, 6400)), "2 5 0 1 3 4");
}

// Every step once, after what it needs; every start has its wait.
void expectLegal(const std::vector<OrderedStep>& steps, const StepOrder& order) {
  std::vector<int> state(steps.size(), 0);  // 1: under way, 2: done
  for (const StepAction& action : order.actions) {
    auto s = static_cast<size_t>(action.step);
    if (action.kind == StepAction::Kind::kWait) {
      ASSERT_EQ(state[s], 1) << text(order);
      state[s] = 2;
      continue;
    }
    ASSERT_EQ(state[s], 0) << text(order);
    for (int need : steps[s].needs)
      ASSERT_EQ(state[static_cast<size_t>(need)], 2) << action.step << ": " << text(order);
    state[s] = action.kind == StepAction::Kind::kStart ? 1 : 2;
    ASSERT_TRUE(state[s] == 2 || steps[s].kind == Kind::kCollective);
  }
  for (int s : state) ASSERT_EQ(s, 2) << text(order);
}

TEST(StepOrder, random_programs_are_ordered_legally_and_take_no_longer) {
  std::mt19937 random(20);
  int better = 0;
  for (int trial = 0; trial < 400; ++trial) {
    std::vector<OrderedStep> steps;
    int count = 2 + static_cast<int>(random() % 40);
    for (int i = 0; i < count; ++i) {
      std::vector<int> needs;
      for (int j = std::max(0, i - 9); j < i; ++j)
        if (random() % 5 == 0 && steps[static_cast<size_t>(j)].kind != Kind::kSend) needs.push_back(j);
      unsigned kind = random() % 10;
      if (kind < 4 && i > 0)
        steps.push_back(collective(1 + random() % 7, needs, static_cast<int>(random() % 2), 1 + random() % 9));
      else if (kind == 9 && i > 0)
        steps.push_back(transfer(Kind::kSend, needs));
      else if (kind == 8)
        steps.push_back(transfer(Kind::kReceive, {}));
      else
        steps.push_back(computing(1 + random() % 5, needs, 1 + random() % 9));
    }
    StepOrder given = givenOrder(steps);
    int64_t allowed = given.peakBytes * (trial % 2 ? 1 : 2);
    StepOrder best = bestOrder(steps, allowed);
    expectLegal(steps, best);
    EXPECT_LE(best.seconds, given.seconds * 1.000001);
    EXPECT_LE(best.peakBytes, allowed);
    EXPECT_EQ(best.actions, bestOrder(steps, allowed).actions);
    better += best.seconds < given.seconds * 0.99;
  }
  EXPECT_GT(better, 100);
}

}  // namespace
}  // namespace shardwright
