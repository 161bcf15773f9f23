// P23 and P25: what happens in the order of the steps: transfers and collectives meet, run-time symbols are bound first.
#include <algorithm>
#include <deque>
#include <map>
#include <set>

#include "runtime/base/dtype.h"
#include "runtime/plan/mesh_ranks.h"
#include "runtime/plan/plan_checks.h"
#include "runtime/plan/step_views.h"

namespace shardwright {
namespace {

// --- P25 ----------------------------------------------------------------------------------------------------------------

class BindCheck {
 public:
  BindCheck(const PlanUnderCheck& checked, Findings& findings)
      : checked_(checked), plan_(checked.plan), findings_(findings) {}

  void entry(const plan::Entry& e) {
    for (const plan::Entry::StagePrograms& stage : e.stages()) {
      std::set<int> bound;
      for (uint32_t chunk : stage.chunks()) program(plan_.programs(static_cast<int>(chunk)), bound);
    }
  }

 private:
  void program(const plan::Program& p, std::set<int>& bound) {
    for (const plan::Step& s : p.steps()) {
      std::vector<uint32_t> exprs = exprsOf(s);
      if (s.guard() > 0) exprs.push_back(s.guard() - 1);
      for (uint32_t e : exprs)
        for (int slot : checked_.runTimeSlots)
          findings_.require(bound.count(slot) > 0 || !checked_.table.dependsOn(e, slot), 25, inStep(p, s),
                            plan_.exprs(static_cast<int>(e)) + " before " + plan_.symbols(slot).name() + " is bound",
                            "symbols that an earlier step has bound");
      if (s.has_bind()) bind(p, s, bound);
      if (s.has_call()) call(s, inStep(p, s), bound);
    }
  }

  void bindSymbol(int symbol, const std::string& where, std::set<int>& bound) {
    findings_.require(plan_.symbols(symbol).run_time() && bound.insert(symbol).second, 25, where,
                      "symbol " + quoted(plan_.symbols(symbol).name()), "run-time symbols, each bound once");
  }

  void bind(const plan::Program& p, const plan::Step& s, std::set<int>& bound) {
    bindSymbol(static_cast<int>(s.bind().symbol()), inStep(p, s), bound);
    const plan::View& v = s.bind().view();
    bool isOne =
        isInteger(static_cast<DType>(v.dtype())) &&
        std::all_of(v.dims().begin(), v.dims().end(), [&](uint32_t d) { return checked_.table.expr(d) == Expr(1); });
    findings_.require(!v.absent() && isOne, 25, inStep(p, s), "a window of another form", "one integer");
  }

  // What a sub-program binds is known in it alone.
  void call(const plan::Step& s, const std::string& where, const std::set<int>& bound) {
    for (uint32_t called : s.call().programs()) {
      std::set<int> inner = bound;
      if (s.call().iteration_symbol() > 0) bindSymbol(static_cast<int>(s.call().iteration_symbol()) - 1, where, inner);
      program(plan_.programs(static_cast<int>(called)), inner);
    }
  }

  const PlanUnderCheck& checked_;
  const plan::Plan& plan_;
  Findings& findings_;
};

// --- P23 ----------------------------------------------------------------------------------------------------------------

constexpr int kMostRanksRun = 256;
constexpr uint32_t kMicrobatchesRun = 4;  // of entries without actions, which repeat themselves

// A rank's communication, in order: what it sends, receives, joins, and where it waits for it.
struct Event {
  enum Kind { kSend, kReceive, kJoin, kAwait } kind;
  const plan::Program* program;
  const plan::Step* step;
  uint32_t microbatch = 0;
  int peer = 0;              // of transfers
  std::string payload;       // of transfers: dims, type, microbatch
  std::vector<int> members;  // of collectives
  int awaited = -1;          // of kAwait: the event that must be complete
};

// Runs an entry on all ranks at once with everything but communication left out. Branches and loops are left out too:
// their conditions are the same on all ranks, so that a collective inside them meets its peers if the call does.
class EntryRun {
 public:
  EntryRun(const PlanUnderCheck& checked, const plan::Entry& entry, Findings& findings)
      : checked_(checked), plan_(checked.plan), entry_(entry), findings_(findings) {}

  void run() {
    int n = numRanks(plan_.mesh());
    ranks_.resize(static_cast<size_t>(n));
    for (int r = 0; r < n; ++r) collect(r);
    if (!findings_.none()) return;
    for (bool moved = true; moved;) {
      moved = false;
      for (int r = 0; r < n; ++r)
        while (advance(r)) moved = true;
    }
    report();
  }

 private:
  struct Rank {
    std::vector<Event> events;
    std::vector<bool> complete;
    size_t at = 0;
    ExprTable::Symbols symbols;
  };
  struct Meeting {
    std::vector<int> ranks;
    const plan::Step* step;
  };

  std::string whereOf(int rank, const Event& e) const {
    return "entry " + quoted(entry_.name()) + " rank " + std::to_string(rank) + " " + inStep(*e.program, *e.step);
  }

  void collect(int rank) {
    Rank& state = ranks_[static_cast<size_t>(rank)];
    state.symbols = checked_.table.noSymbols();
    checked_.table.bindAssumed(state.symbols);
    checked_.table.bindCoordinates(rank, state.symbols);
    const plan::Entry::StagePrograms& stage = entry_.stages(stageOf(plan_.mesh(), rank));
    for (const plan::Entry::Action& a : stage.actions())
      collect(rank, stage.chunks(static_cast<int>(a.chunk())), a.microbatch());
    if (stage.actions_size() == 0)
      for (uint32_t m = 0; m < std::clamp(entry_.microbatches(), 1u, kMicrobatchesRun); ++m)
        for (uint32_t chunk : stage.chunks()) collect(rank, chunk, m);
    state.complete.assign(state.events.size(), false);
  }

  int64_t valueOf(uint32_t expr, int rank) const {
    StatusOr<int64_t> value = checked_.table.evaluateOne(expr, ranks_[static_cast<size_t>(rank)].symbols);
    return value.ok() ? *value : ExprTable::kUnknown;
  }

  void collect(int rank, uint32_t chunk, uint32_t microbatch) {
    const plan::Program& p = plan_.programs(static_cast<int>(chunk));
    std::vector<Event>& events = ranks_[static_cast<size_t>(rank)].events;
    std::map<int, int> started;  // step -> event
    for (int i = 0; i < p.steps_size(); ++i) {
      const plan::Step& s = p.steps(i);
      if (s.guard() > 0 && valueOf(s.guard() - 1, rank) == 0) continue;
      if (s.has_call() && s.call().kind() == plan::CallStep::CALL) collect(rank, s.call().programs(0), microbatch);
      Event e{Event::kJoin, &p, &s, microbatch, 0, "", {}, -1};
      if (s.has_collective()) {
        e.members = membersOf(plan_.mesh(), plan_.groups(static_cast<int>(s.collective().group())), rank).ranks;
      } else if (s.has_transfer()) {
        if (!transfer(rank, e)) continue;
      } else if (s.has_wait()) {
        auto found = started.find(static_cast<int>(s.wait().step()));
        if (found == started.end()) continue;
        e.kind = Event::kAwait;
        e.awaited = found->second;
      } else {
        continue;
      }
      bool starts = e.kind != Event::kAwait;
      started[i] = static_cast<int>(events.size());
      events.push_back(e);
      if (!starts || s.async()) continue;
      e.kind = Event::kAwait;
      e.awaited = static_cast<int>(events.size()) - 1;
      events.push_back(e);
    }
  }

  bool transfer(int rank, Event& e) {
    const plan::TransferStep& t = e.step->transfer();
    e.kind = t.send() ? Event::kSend : Event::kReceive;
    int64_t peer = valueOf(t.peer(), rank);
    bool holds = peer == rank || (peer >= 0 && peer < numRanks(plan_.mesh()) &&
                                  stageOf(plan_.mesh(), static_cast<int>(peer)) != stageOf(plan_.mesh(), rank));
    findings_.require(holds, 23, whereOf(rank, e), "peer " + std::to_string(peer),
                      "a rank of another stage, or this one for another chunk");
    if (!holds) return false;
    e.peer = static_cast<int>(peer);
    for (uint32_t d : t.view().dims()) e.payload += std::to_string(valueOf(d, rank)) + "x";
    e.payload +=
        std::string(dtypeName(static_cast<DType>(t.view().dtype()))) + " of microbatch " + std::to_string(e.microbatch);
    return true;
  }

  // Takes the rank's next event if it can be taken now.
  bool advance(int rank) {
    Rank& state = ranks_[static_cast<size_t>(rank)];
    if (state.at == state.events.size()) return false;
    const Event& e = state.events[state.at];
    uint32_t channel = e.step->transfer().channel();
    switch (e.kind) {
      case Event::kSend:
        channels_[{rank, e.peer, channel}].push_back(e.payload);
        state.complete[state.at] = true;
        break;
      case Event::kReceive:
        break;  // looked at when it is awaited
      case Event::kJoin:
        join(rank, e);
        break;
      case Event::kAwait:
        if (!isComplete(rank, e.awaited)) return false;
        break;
    }
    ++state.at;
    return true;
  }

  // The n-th collective of a group is one meeting; all must come to it with the same step.
  void join(int rank, const Event& e) {
    std::vector<Meeting>& meetings = meetings_[e.members];
    size_t n = joined_[{e.members, rank}]++;
    if (meetings.size() <= n) meetings.push_back({{}, e.step});
    findings_.require(meetings[n].step == e.step, 23, whereOf(rank, e),
                      "peers that are at step " + quoted(meetings[n].step->name()),
                      "the same collectives in the same order");
    meetings[n].ranks.push_back(rank);
    numbers_[{rank, ranks_[static_cast<size_t>(rank)].at}] = n;
  }

  bool isComplete(int rank, int event) {
    Rank& state = ranks_[static_cast<size_t>(rank)];
    auto at = static_cast<size_t>(event);
    const Event& e = state.events[at];
    if (e.kind == Event::kJoin) return meetings_[e.members][numbers_[{rank, at}]].ranks.size() == e.members.size();
    if (state.complete[at]) return true;
    std::deque<std::string>& queue = channels_[{e.peer, rank, e.step->transfer().channel()}];
    if (queue.empty()) return false;
    findings_.require(queue.front() == e.payload, 23, whereOf(rank, e), "a send of " + queue.front(), e.payload);
    queue.pop_front();
    return state.complete[at] = true;
  }

  void report() {
    for (size_t r = 0; r < ranks_.size(); ++r) {
      if (ranks_[r].at == ranks_[r].events.size()) continue;
      const Event& e = ranks_[r].events[ranks_[r].at];
      findings_.add(23, whereOf(static_cast<int>(r), e), "a wait that never ends",
                    "runs in which every receive and collective is met");
    }
    for (const auto& [key, queue] : channels_)
      findings_.require(queue.empty(), 23, "entry " + quoted(entry_.name()),
                        std::to_string(queue.size()) + " sends from rank " + std::to_string(std::get<0>(key)) +
                            " to rank " + std::to_string(std::get<1>(key)) + " on channel " +
                            std::to_string(std::get<2>(key)) + " that nobody receives",
                        "a receive for each");
  }

  const PlanUnderCheck& checked_;
  const plan::Plan& plan_;
  const plan::Entry& entry_;
  Findings& findings_;
  std::vector<Rank> ranks_;
  std::map<std::tuple<int, int, uint32_t>, std::deque<std::string>> channels_;
  std::map<std::vector<int>, std::vector<Meeting>> meetings_;
  std::map<std::pair<std::vector<int>, int>, size_t> joined_;
  std::map<std::pair<int, size_t>, size_t> numbers_;  // of a rank's event: which meeting of its group
};

}  // namespace

void checkRunTimeSymbols(const PlanUnderCheck& checked, Findings& findings) {
  for (const plan::Entry& e : checked.plan.entries()) BindCheck(checked, findings).entry(e);
}

void checkRun(const PlanUnderCheck& checked, Findings& findings) {
  if (numRanks(checked.plan.mesh()) > kMostRanksRun) return;
  for (const plan::Entry& e : checked.plan.entries())
    if (findings.none()) EntryRun(checked, e, findings).run();
}

}  // namespace shardwright
