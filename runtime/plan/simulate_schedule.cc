#include <algorithm>
#include <map>
#include <optional>
#include <tuple>

#include "runtime/plan/schedule.h"

namespace shardwright {
namespace {

using Action = plan::Entry::Action;

enum class Direction { kForward, kBackward, kWeight, kOptimize };

Direction directionOf(Action::Kind kind) {
  switch (kind) {
    case Action::FORWARD:
      return Direction::kForward;
    case Action::BACKWARD_WEIGHT:
      return Direction::kWeight;
    case Action::OPTIMIZE:
      return Direction::kOptimize;
    default:
      return Direction::kBackward;
  }
}

const char* kindName(Action::Kind kind) {
  switch (kind) {
    case Action::FORWARD:
      return "forward";
    case Action::BACKWARD:
      return "backward";
    case Action::BACKWARD_INPUT:
      return "input gradient";
    case Action::BACKWARD_WEIGHT:
      return "weight gradient";
    default:
      return "optimizer step";
  }
}

class Simulation {
 public:
  Simulation(const std::vector<ActionList>& schedule, const ScheduleCosts& costs)
      : schedule_(schedule), costs_(costs), numRanks_(static_cast<int>(schedule.size())) {}

  StatusOr<SimulatedSchedule> run() {
    SW_RETURN_IF_ERROR(locate());
    result_.timeline.resize(schedule_.size());
    for (bool moved = true; moved;) {
      moved = false;
      for (int r = 0; r < numRanks_; ++r)
        while (advance(r)) moved = true;
    }
    for (int r = 0; r < numRanks_; ++r)
      if (at(r) < schedule_[static_cast<size_t>(r)].size()) return cycleFrom(r);
    summarise();
    return std::move(result_);
  }

 private:
  struct Place {
    int rank;
    size_t index;
  };
  // Part of the model, direction, microbatch.
  using Key = std::tuple<int, Direction, uint32_t>;

  int partOf(int rank, const Action& a) const { return static_cast<int>(a.chunk()) * numRanks_ + rank; }
  Key keyOf(int rank, const Action& a) const { return {partOf(rank, a), directionOf(a.kind()), a.microbatch()}; }
  size_t at(int rank) const { return result_.timeline[static_cast<size_t>(rank)].size(); }
  const Action& actionAt(Place p) const { return schedule_[static_cast<size_t>(p.rank)][p.index]; }
  std::string text(Place p) const { return "rank " + std::to_string(p.rank) + "'s " + actionText(actionAt(p)); }

  // Finds every action, and that what each needs is somewhere.
  Status locate() {
    for (int r = 0; r < numRanks_; ++r)
      for (size_t i = 0; i < schedule_[static_cast<size_t>(r)].size(); ++i) {
        const Action& a = actionAt({r, i});
        numChunks_ = std::max(numChunks_, static_cast<int>(a.chunk()) + 1);
        if (!places_.insert({keyOf(r, a), {r, i}}).second) return internalError(text({r, i}) + " is in its list twice");
        isTraining_ |= a.kind() != Action::FORWARD;
      }
    for (int r = 0; r < numRanks_; ++r)
      for (size_t i = 0; i < schedule_[static_cast<size_t>(r)].size(); ++i)
        for (const Key& key : needsOf(r, actionAt({r, i})))
          if (!places_.count(key))
            return internalError(text({r, i}) + " needs " + missing(key) + ", which nobody does");
    return {};
  }

  std::string missing(const Key& key) const {
    auto [part, direction, microbatch] = key;
    Action a;
    a.set_kind(direction == Direction::kForward ? Action::FORWARD : Action::BACKWARD);
    a.set_microbatch(microbatch);
    a.set_chunk(static_cast<uint32_t>(part / numRanks_));
    return "rank " + std::to_string(part % numRanks_) + "'s " + actionText(a);
  }

  std::vector<Key> needsOf(int rank, const Action& a) const {
    int part = partOf(rank, a), last = numChunks_ * numRanks_ - 1;
    std::vector<Key> needs;
    switch (directionOf(a.kind())) {
      case Direction::kForward:
        if (part > 0) needs.push_back({part - 1, Direction::kForward, a.microbatch()});
        break;
      case Direction::kBackward:
        needs.push_back({part, Direction::kForward, a.microbatch()});
        if (part < last) needs.push_back({part + 1, Direction::kBackward, a.microbatch()});
        break;
      case Direction::kWeight:
        needs.push_back({part, Direction::kBackward, a.microbatch()});
        break;
      case Direction::kOptimize:
        break;  // after what its rank does before it
    }
    return needs;
  }

  // When the action can begin, as far as others go; nothing if one of them has not been done. `open` is then that one.
  std::optional<double> readyAt(int rank, const Action& a, Place* open) const {
    double ready = 0;
    for (const Key& key : needsOf(rank, a)) {
      Place p = places_.at(key);
      if (p.index >= at(p.rank)) {
        *open = p;
        return std::nullopt;
      }
      bool crosses = p.rank != rank;
      ready = std::max(
          ready, result_.timeline[static_cast<size_t>(p.rank)][p.index].end + (crosses ? costs_.transferSeconds : 0));
    }
    return ready;
  }

  bool advance(int rank) {
    const ActionList& list = schedule_[static_cast<size_t>(rank)];
    std::vector<TimedAction>& done = result_.timeline[static_cast<size_t>(rank)];
    if (done.size() == list.size()) return false;
    const Action& a = list[done.size()];
    Place open{};
    std::optional<double> ready = readyAt(rank, a, &open);
    if (!ready) return false;
    double start = std::max(*ready, done.empty() ? 0 : done.back().end);
    done.push_back({a, start, start + costs_.seconds(rank, a)});
    return true;
  }

  // Follows who waits for whom until a rank comes again.
  Status cycleFrom(int rank) const {
    std::vector<int> way;
    std::vector<std::string> waits;
    while (std::find(way.begin(), way.end(), rank) == way.end()) {
      way.push_back(rank);
      Place open{};
      Place here{rank, at(rank)};
      readyAt(rank, actionAt(here), &open);
      waits.push_back(text(here) + " waits for " + text(open));
      rank = open.rank;
    }
    std::string message = "the actions wait for one another: ";
    auto first = static_cast<size_t>(std::find(way.begin(), way.end(), rank) - way.begin());
    for (size_t i = first; i < waits.size(); ++i) message += (i == first ? "" : "; ") + waits[i];
    return internalError(message);
  }

  void summarise() {
    double busy = 0;
    for (const auto& actions : result_.timeline) {
      int inFlight = 0, most = 0;
      for (const TimedAction& timed : actions) {
        busy += timed.end - timed.start;
        result_.seconds = std::max(result_.seconds, timed.end);
        Action::Kind kind = timed.action.kind();
        if (kind == Action::FORWARD) ++inFlight;
        most = std::max(most, inFlight);
        if (!isTraining_ || kind == Action::BACKWARD || kind == Action::BACKWARD_WEIGHT) --inFlight;
      }
      result_.mostInFlight.push_back(most);
    }
    double all = result_.seconds * numRanks_;
    result_.idleFraction = all > 0 ? 1 - busy / all : 0;
  }

  const std::vector<ActionList>& schedule_;
  const ScheduleCosts& costs_;
  int numRanks_, numChunks_ = 1;
  bool isTraining_ = false;
  std::map<Key, Place> places_;
  SimulatedSchedule result_;
};

}  // namespace

StatusOr<SimulatedSchedule> simulate(const std::vector<ActionList>& schedule, const ScheduleCosts& costs) {
  return Simulation(schedule, costs).run();
}

std::string actionText(const plan::Entry::Action& action) {
  return std::string(kindName(action.kind())) + " of microbatch " + std::to_string(action.microbatch()) + " on chunk " +
         std::to_string(action.chunk());
}

}  // namespace shardwright
