#include "passes/optimize/step_order.h"

#include <algorithm>
#include <map>

#include "runtime/plan/packer.h"

namespace shardwright {
namespace {

using Kind = OrderedStep::Kind;
using Do = StepAction::Kind;

// Less is not worth another order, in which what is in the cache is used later.
constexpr double kLeastGain = 1e-3;

enum class Preference { kGivenOrder, kCollectives };

// By step: the seconds of the collectives that one behind the other wait for its result, its own included.
std::vector<double> urgencies(const std::vector<OrderedStep>& steps) {
  std::vector<double> urgency(steps.size(), 0);
  for (size_t i = steps.size(); i-- > 0;) {
    const OrderedStep& step = steps[i];
    if (step.kind == Kind::kCollective) urgency[i] += step.seconds + step.backgroundSeconds;
    for (int need : step.needs)
      urgency[static_cast<size_t>(need)] = std::max(urgency[static_cast<size_t>(need)], urgency[i]);
  }
  return urgency;
}

// A rank's clock, going through steps in an order that it chooses.
class Scheduler {
 public:
  Scheduler(const std::vector<OrderedStep>& steps, Preference preference)
      : steps_(steps), states_(steps.size()), urgency_(urgencies(steps)), preference_(preference) {}

  StepOrder run() {
    for (size_t left = steps_.size(); left > 0;) {
      int next = pick();
      if (next < 0) {
        wait(underWay_.front());
        continue;
      }
      take(next);
      --left;
    }
    while (!underWay_.empty()) wait(underWay_.front());
    order_.seconds = now_;
    joinStarts();
    return std::move(order_);
  }

 private:
  enum class State { kOpen, kUnderWay, kDone };

  const OrderedStep& at(int step) const { return steps_[static_cast<size_t>(step)]; }
  State& state(int step) { return states_[static_cast<size_t>(step)]; }

  // Whether nothing that it needs keeps the rank waiting.
  bool isReady(int step) {
    return std::all_of(at(step).needs.begin(), at(step).needs.end(), [&](int need) {
      return state(need) == State::kDone || (state(need) == State::kUnderWay && finish_[need] <= now_);
    });
  }

  bool isFull(int group) const {
    return std::count_if(underWay_.begin(), underWay_.end(), [&](int step) { return at(step).group == group; }) >=
           kMaxUnderWay;
  }

  // What comes first of two steps that are ready.
  bool isBefore(int a, int b) const {
    auto rank = [&](int step) {
      if (at(step).kind == Kind::kSend) return 0;
      if (at(step).kind == Kind::kReceive) return 3;
      return at(step).kind == Kind::kCollective && at(step).mayOverlap ? 1 : 2;
    };
    if (rank(a) != rank(b)) return rank(a) < rank(b);
    double more = urgency_[static_cast<size_t>(a)] - urgency_[static_cast<size_t>(b)];
    if (rank(a) == 2 && preference_ == Preference::kCollectives && more != 0) return more > 0;
    return a < b;
  }

  // The step to do now; -1: all wait for collectives.
  int pick() {
    int best = -1;
    for (int step = 0; step < static_cast<int>(steps_.size()); ++step) {
      if (state(step) != State::kOpen || !isReady(step)) continue;
      if (at(step).kind == Kind::kCollective && isFull(at(step).group)) continue;
      if (best < 0 || isBefore(step, best)) best = step;
    }
    bool isIdle = best >= 0 && at(best).kind == Kind::kReceive && !underWay_.empty();
    return isIdle ? -1 : best;
  }

  void take(int step) {
    for (int need : at(step).needs)
      if (state(need) == State::kUnderWay) wait(need);
    if (at(step).kind != Kind::kCollective) {
      order_.actions.push_back({Do::kRun, step});
      state(step) = State::kDone;
      now_ += at(step).seconds;
      return;
    }
    state(step) = State::kUnderWay;
    order_.actions.push_back({Do::kStart, step});
    linkFree_ = std::max(linkFree_, now_) + at(step).backgroundSeconds;
    finish_[step] = linkFree_;
    underWay_.push_back(step);
    if (!at(step).mayOverlap) wait(step);
  }

  // With those of its group that started before it.
  void wait(int step) {
    for (size_t i = 0; i < underWay_.size();) {
      int other = underWay_[i];
      if (other != step && at(other).group != at(step).group) {
        ++i;
        continue;
      }
      underWay_.erase(underWay_.begin() + static_cast<int64_t>(i));
      order_.actions.push_back({Do::kWait, other});
      state(other) = State::kDone;
      now_ = std::max(now_, finish_[other]) + at(other).seconds;
      if (other == step) return;
    }
  }

  // A collective that is waited for at once is one action.
  void joinStarts() {
    std::vector<StepAction> joined;
    for (const StepAction& action : order_.actions) {
      bool follows =
          action.kind == Do::kWait && !joined.empty() && joined.back() == StepAction{Do::kStart, action.step};
      if (follows)
        joined.back().kind = Do::kRun;
      else
        joined.push_back(action);
    }
    order_.actions = std::move(joined);
  }

  const std::vector<OrderedStep>& steps_;
  std::vector<State> states_;
  const std::vector<double> urgency_;
  const Preference preference_;
  std::vector<int> underWay_;     // in the order of their starts
  std::map<int, double> finish_;  // of collectives that have started
  double now_ = 0, linkFree_ = 0;
  StepOrder order_;
};

// Of the results, as the runtime packs them.
int64_t peakOf(const std::vector<OrderedStep>& steps, const std::vector<StepAction>& actions) {
  std::vector<PackItem> items(steps.size());
  for (size_t at = 0; at < actions.size(); ++at) {
    auto number = static_cast<size_t>(actions[at].step);
    PackItem& item = items[number];
    if (actions[at].kind != Do::kWait) item = {steps[number].bytes, static_cast<int>(at), static_cast<int>(at)};
    item.lastStep = static_cast<int>(at);
    for (int need : steps[number].needs) items[static_cast<size_t>(need)].lastStep = static_cast<int>(at);
  }
  return packBuffers(items).peakBytes;
}

}  // namespace

StepOrder givenOrder(const std::vector<OrderedStep>& steps) {
  StepOrder order;
  for (size_t i = 0; i < steps.size(); ++i) {
    order.actions.push_back({Do::kRun, static_cast<int>(i)});
    order.seconds += steps[i].seconds + steps[i].backgroundSeconds;
  }
  order.peakBytes = peakOf(steps, order.actions);
  return order;
}

StepOrder bestOrder(const std::vector<OrderedStep>& steps, int64_t peakBytes) {
  StepOrder best = givenOrder(steps);
  int64_t allowed = std::max(peakBytes, best.peakBytes);
  // An order that lets other stages go on earlier is taken where it takes no longer.
  bool sharesStages = std::any_of(steps.begin(), steps.end(), [](const OrderedStep& step) {
    return step.kind == Kind::kSend || step.kind == Kind::kReceive;
  });
  for (Preference preference : {Preference::kGivenOrder, Preference::kCollectives}) {
    StepOrder order = Scheduler(steps, preference).run();
    order.peakBytes = peakOf(steps, order.actions);
    bool isFaster = order.seconds < best.seconds * (1 - kLeastGain);
    // Sums of the same numbers in another order differ in their last digits.
    bool isAsFast = order.seconds <= best.seconds * (1 + 1e-9) && preference == Preference::kGivenOrder;
    if (order.peakBytes <= allowed && (isFaster || (sharesStages && isAsFast))) best = std::move(order);
  }
  return best;
}

}  // namespace shardwright
