// P23: what happens in the order of the steps. All ranks of an entry run together with everything but communication left out:
// a send never waits, a receive waits for its send, a collective for all members of its group.
#include <algorithm>
#include <deque>
#include <map>

#include "runtime/plan/communication.h"

namespace shardwright {
namespace {

constexpr uint32_t kMicrobatchesRun = 4;  // of entries without actions, which repeat themselves

struct ProgramRun {
  uint32_t chunk, microbatch;
};

std::vector<ProgramRun> runsOf(const plan::Entry& entry, int stage) {
  const plan::Entry::StagePrograms& programs = entry.stages(stage);
  std::vector<ProgramRun> runs;
  for (const plan::Entry::Action& a : programs.actions())
    runs.push_back({programs.chunks(static_cast<int>(a.chunk())), a.microbatch()});
  if (programs.actions_size() == 0)
    for (uint32_t m = 0; m < std::clamp(entry.microbatches(), 1u, kMicrobatchesRun); ++m)
      for (uint32_t chunk : programs.chunks()) runs.push_back({chunk, m});
  return runs;
}

// The tensor that a transfer or collective moves.
std::string tensorOf(const CommEvent& e) {
  const plan::View& view = e.step->has_transfer() ? e.step->transfer().view() : e.step->collective().output();
  return " of " + quoted(e.program->buffers(static_cast<int>(view.buffer())).name());
}

// A connected set of ranks.
class EntryRun {
 public:
  EntryRun(const SizesUnderCheck& at, const plan::Entry& entry, const Communication& communication,
           const std::vector<int>& ranks, Findings& findings)
      : at_(at), entry_(entry), communication_(communication), findings_(findings), ranks_(ranks) {
    for (int s = 0; s < entry.stages_size(); ++s) runs_.push_back(runsOf(entry, s));
    for (size_t i = 0; i < ranks.size(); ++i) place_[ranks[i]] = i;
    states_.resize(ranks.size());
    for (size_t i = 0; i < ranks.size(); ++i) enter(i);
  }

  void run() {
    for (bool moved = true; moved && findings_.none();) {
      moved = false;
      for (size_t i = 0; i < ranks_.size(); ++i)
        while (advance(i)) moved = true;
    }
    if (findings_.none()) report();
  }

 private:
  // Where a rank is: at an event of one run of a program.
  struct State {
    size_t run = 0, event = 0;
    const std::vector<CommEvent>* events = nullptr;
    std::vector<size_t> meeting;  // of the run's events: which of their group's
    std::vector<bool> received;
  };
  struct Meeting {
    size_t arrived = 0;
    const CommEvent* first;
    int firstRank;
  };
  struct Group {
    std::vector<int> members;
    std::deque<Meeting> meetings;
    std::vector<size_t> joined;  // by member: how many
  };
  struct Message {
    const CommEvent* send;
    uint32_t microbatch;
  };
  // From a rank to a rank. One step sends there and one receives, so that equal dims cannot hide that two values are swapped.
  struct Channel {
    const CommEvent *sender = nullptr, *receiver = nullptr;
    std::deque<Message> messages;
  };

  const std::vector<ProgramRun>& runs(size_t place) const {
    return runs_[static_cast<size_t>(at_.classes.stage(ranks_[place]))];
  }
  bool isDone(size_t place) const { return states_[place].run == runs(place).size(); }
  const CommEvent& here(size_t place) const { return (*states_[place].events)[states_[place].event]; }
  uint32_t microbatch(size_t place) const { return runs(place)[states_[place].run].microbatch; }

  // Goes to the next event there is, from the beginning of the current run.
  void enter(size_t place) {
    State& state = states_[place];
    for (; !isDone(place); ++state.run) {
      state.events = &communication_.events(at_.classes.classOf(ranks_[place]), runs(place)[state.run].chunk);
      state.event = 0;
      if (state.events->empty()) continue;
      state.meeting.assign(state.events->size(), 0);
      state.received.assign(state.events->size(), false);
      return;
    }
  }

  std::string placeText(size_t place, const CommEvent& at) const {
    const CommEvent& e = at.kind == CommEvent::kAwait ? (*states_[place].events)[static_cast<size_t>(at.awaited)] : at;
    return "rank " + std::to_string(ranks_[place]) + " " + inStep(*e.program, *e.step) + tensorOf(e) +
           (entry_.microbatches() > 1 ? " of microbatch " + std::to_string(microbatch(place)) : "");
  }
  std::string where(size_t place, const CommEvent& e) const {
    return "entry " + quoted(entry_.name()) + " " + placeText(place, e) + at_.text;
  }

  // The rank that the transfer names, as a place; -1 and a finding if it may not.
  int peer(size_t place, const CommEvent& e) {
    int64_t rank = at_.classes.peerOf(ranks_[place], e.step->transfer().peer());
    bool holds =
        rank == ranks_[place] || (rank >= 0 && rank < at_.classes.numRanks() &&
                                  at_.classes.stage(static_cast<int>(rank)) != at_.classes.stage(ranks_[place]));
    if (holds) return static_cast<int>(place_.at(static_cast<int>(rank)));
    findings_.add(23, where(place, e), "peer " + std::to_string(rank),
                  "a rank of another stage, or this one for another chunk");
    return -1;
  }

  // Takes the rank's next event if it can be taken now.
  bool advance(size_t place) {
    if (isDone(place) || !findings_.none()) return false;
    State& state = states_[place];
    const CommEvent& e = here(place);
    if (e.kind == CommEvent::kSend) {
      int to = peer(place, e);
      if (to < 0) return false;
      Channel& channel = channels_[{place, static_cast<size_t>(to), e.step->transfer().channel()}];
      useAlone(place, e, channel.sender);
      channel.messages.push_back({&e, microbatch(place)});
    } else if (e.kind == CommEvent::kJoin) {
      join(place, e);
    } else if (e.kind == CommEvent::kAwait && !isComplete(place, e.awaited)) {
      return false;
    }
    if (++state.event == state.events->size()) {
      ++state.run;
      enter(place);
    }
    return true;
  }

  // The end of a channel that this step uses, and no other.
  void useAlone(size_t place, const CommEvent& e, const CommEvent*& end) {
    if (!end) end = &e;
    findings_.require(end->step == e.step, 23, where(place, e),
                      "channel " + std::to_string(e.step->transfer().channel()) + ", which " +
                          inStep(*end->program, *end->step) + " uses for the same peer",
                      "a channel of its own for each value");
  }

  Group& groupOf(size_t place, const CommEvent& e) {
    const GroupInstances& instances = at_.classes.instances(e.step->collective().group());
    int instance = instances.instanceOf[static_cast<size_t>(ranks_[place])];
    Group*& found = groups_[{e.step->collective().group(), instance}];
    if (found) return *found;
    // Groups of the same ranks are one.
    const std::vector<int>& members = instances.members[static_cast<size_t>(instance)];
    found = &groupOfRanks_[members];
    found->members = members;
    found->joined.resize(members.size(), 0);
    return *found;
  }

  // The n-th collective of a group is one meeting; all must come to it with the same step.
  void join(size_t place, const CommEvent& e) {
    Group& group = groupOf(place, e);
    int index = at_.classes.instances(e.step->collective().group()).indexOf[static_cast<size_t>(ranks_[place])];
    size_t n = group.joined[static_cast<size_t>(index)]++;
    if (group.meetings.size() <= n) group.meetings.push_back({0, &e, ranks_[place]});
    Meeting& meeting = group.meetings[n];
    if (meeting.first->step != e.step)
      findings_.add(23, where(place, e),
                    "rank " + std::to_string(meeting.firstRank) + " of its group at " +
                        inStep(*meeting.first->program, *meeting.first->step) + tensorOf(*meeting.first),
                    "the same collectives in the same order");
    ++meeting.arrived;
    states_[place].meeting[states_[place].event] = n;
  }

  bool isComplete(size_t place, int event) {
    State& state = states_[place];
    auto at = static_cast<size_t>(event);
    const CommEvent& e = (*state.events)[at];
    if (e.kind == CommEvent::kSend || state.received[at]) return true;
    if (e.kind == CommEvent::kJoin) {
      const Group& group = groupOf(place, e);
      return group.meetings[state.meeting[at]].arrived == group.members.size();
    }
    int from = peer(place, e);
    if (from < 0) return false;
    Channel& channel = channels_[{static_cast<size_t>(from), place, e.step->transfer().channel()}];
    std::deque<Message>& queue = channel.messages;
    if (queue.empty()) return false;
    useAlone(place, e, channel.receiver);
    const Message& message = queue.front();
    if (message.send->payload != e.payload || message.microbatch != microbatch(place))
      findings_.add(23, where(place, e),
                    "from rank " + std::to_string(ranks_[static_cast<size_t>(from)]) + " " +
                        inStep(*message.send->program, *message.send->step) + " " +
                        communication_.payload(message.send->payload) + " of microbatch " +
                        std::to_string(message.microbatch),
                    communication_.payload(e.payload) + " of microbatch " + std::to_string(microbatch(place)));
    queue.pop_front();
    return state.received[at] = true;
  }

  // Whom the stuck rank waits for: the sender, or the first member that has not come.
  int waitsFor(size_t place) {
    const CommEvent& e = (*states_[place].events)[static_cast<size_t>(here(place).awaited)];
    if (e.kind != CommEvent::kJoin) return peer(place, e);
    const Group& group = groupOf(place, e);
    size_t n = states_[place].meeting[static_cast<size_t>(here(place).awaited)];
    size_t missing = 0;
    while (missing + 1 < group.members.size() && group.joined[missing] > n) ++missing;
    return static_cast<int>(place_.at(group.members[missing]));
  }

  // From the first stuck rank along who waits for whom, until a rank comes again or one has ended.
  void reportWait(size_t place) {
    const CommEvent& e = here(place);
    std::string at = where(place, e), text;
    std::vector<size_t> way;
    while (!isDone(place) && std::find(way.begin(), way.end(), place) == way.end()) {
      way.push_back(place);
      int next = waitsFor(place);
      if (next < 0) break;
      place = static_cast<size_t>(next);
      text += std::string(text.empty() ? "" : ", which") + " waits for " +
              (isDone(place) ? "rank " + std::to_string(ranks_[place]) + ", which has ended"
                             : placeText(place, here(place)));
    }
    findings_.add(23, at, "a wait that never ends: it" + text, "runs in which every receive and collective is met");
  }

  void report() {
    for (size_t i = 0; i < ranks_.size(); ++i)
      if (!isDone(i)) return reportWait(i);
    for (const auto& [key, used] : channels_) {
      const std::deque<Message>& queue = used.messages;
      if (queue.empty()) continue;
      auto [from, to, channel] = key;
      const CommEvent& e = *queue.front().send;
      findings_.add(23,
                    "entry " + quoted(entry_.name()) + " rank " + std::to_string(ranks_[from]) + " " +
                        inStep(*e.program, *e.step) + tensorOf(e) + at_.text,
                    std::to_string(queue.size()) + " sends to rank " + std::to_string(ranks_[to]) + " on channel " +
                        std::to_string(channel) + " that nobody receives",
                    "a receive for each");
    }
  }

  const SizesUnderCheck& at_;
  const plan::Entry& entry_;
  const Communication& communication_;
  Findings& findings_;
  const std::vector<int>& ranks_;
  std::vector<std::vector<ProgramRun>> runs_;  // by stage
  std::map<int, size_t> place_;                // of ranks
  std::vector<State> states_;
  std::map<std::tuple<size_t, size_t, uint32_t>, Channel> channels_;
  std::map<std::pair<uint32_t, int>, Group*> groups_;
  std::map<std::vector<int>, Group> groupOfRanks_;
};

}  // namespace

void checkRun(const PlanUnderCheck& checked, const SizesUnderCheck& at, Findings& findings) {
  for (const plan::Entry* e : at.entries) {
    Communication communication(checked, at, *e);
    for (const std::vector<int>& ranks : communication.differentSets())
      if (findings.none()) EntryRun(at, *e, communication, ranks, findings).run();
  }
}

}  // namespace shardwright
