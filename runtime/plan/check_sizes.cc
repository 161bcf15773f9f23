// P14 and P20 to P22: what holds on one rank at the assumed sizes.
#include <algorithm>
#include <map>
#include <set>

#include "runtime/plan/mesh_ranks.h"
#include "runtime/plan/plan_checks.h"
#include "runtime/plan/step_views.h"

namespace shardwright {

std::optional<ElementRange> elementsOf(const plan::View& view, const std::vector<int64_t>& values) {
  ElementRange range{values[view.offset()], values[view.offset()]};
  if (values[view.offset()] == ExprTable::kUnknown) return std::nullopt;
  for (int i = 0; i < view.dims_size(); ++i) {
    int64_t dim = values[view.dims(i)], stride = values[view.strides(i)];
    if (dim <= 0 || stride == ExprTable::kUnknown) return std::nullopt;
    __int128 span = static_cast<__int128>(dim - 1) * stride;
    (span < 0 ? range.first : range.last) += span;
  }
  return range;
}

namespace {

constexpr int kMostPending = 8;  // Communicator::kMaxPending

std::string number(__int128 v) {
  return v > INT64_MAX || v < INT64_MIN ? "beyond 64 bits" : std::to_string(static_cast<int64_t>(v));
}

class RankCheck {
 public:
  RankCheck(const PlanUnderCheck& checked, int rank, Findings& findings)
      : checked_(checked), plan_(checked.plan), rank_(rank), findings_(findings), symbols_(checked.table.noSymbols()) {}

  void all() {
    checked_.table.bindAssumed(symbols_);
    checked_.table.bindCoordinates(rank_, symbols_);
    Status evaluated = checked_.table.evaluate(symbols_, values_);
    if (!evaluated.ok()) return findings_.add(14, onRank("plan"), evaluated.message(), "values at the assumed sizes");
    for (const plan::Program& p : plan_.programs()) {
      for (const plan::Buffer& b : p.buffers())
        findings_.require(values_[b.count()] >= 0, 14, onRank(inProgram(p) + " buffer " + quoted(b.name())),
                          std::to_string(values_[b.count()]) + " elements", "at least 0");
      for (const plan::Step& s : p.steps()) step(p, s);
      asyncSteps(p);
    }
  }

 private:
  std::string onRank(const std::string& where) const { return where + " on rank " + std::to_string(rank_); }

  void step(const plan::Program& p, const plan::Step& s) {
    if (s.guard() > 0 && values_[s.guard() - 1] == 0) return guardOfGroup(p, s);
    for (const StepView& v : viewsOf(s)) window(p, v, onRank(inStep(p, s) + " " + v.label()));
    if (s.has_collective()) collective(s.collective(), onRank(inStep(p, s)));
    if (s.has_call()) call(p, s);
    guardOfGroup(p, s);
  }

  // P14
  void window(const plan::Program& p, const StepView& v, const std::string& where) {
    for (uint32_t dim : v.view->dims())
      findings_.require(values_[dim] >= 0, 14, where, "dim " + std::to_string(values_[dim]), "at least 0");
    std::optional<ElementRange> range = elementsOf(*v.view, values_);
    if (!range) return;
    const plan::Buffer& b = p.buffers(static_cast<int>(v.view->buffer()));
    range->last += lastMicrobatchBegin(b);
    findings_.require(
        range->first >= 0 && range->last < values_[b.count()], 14, where,
        "elements " + number(range->first) + " to " + number(range->last) + " of buffer " + quoted(b.name()),
        "0 to " + std::to_string(values_[b.count()] - 1));
  }

  // How far a port has moved when the last microbatch runs.
  __int128 lastMicrobatchBegin(const plan::Buffer& b) const {
    if (b.kind() != plan::Buffer::INPUT && b.kind() != plan::Buffer::OUTPUT) return 0;
    const auto& ports = b.kind() == plan::Buffer::INPUT ? plan_.inputs() : plan_.outputs();
    const plan::Port& port = ports.Get(static_cast<int>(b.source()));
    for (const plan::Symbol& symbol : plan_.symbols()) {
      if (symbol.part_of().empty()) continue;
      int64_t part = symbols_[static_cast<size_t>(checked_.table.slot(symbol.name()))];
      int64_t whole = symbols_[static_cast<size_t>(checked_.table.slot(symbol.part_of()))];
      return static_cast<__int128>(std::max<int64_t>(whole - part, 0)) * values_[port.microbatch_stride()];
    }
    return 0;
  }

  // --- P20, P21 -----------------------------------------------------------------------------------------------------

  std::vector<int64_t> ofMembers(uint32_t expr, const GroupMembers& members) const {
    std::vector<int64_t> values;
    ExprTable::Symbols symbols = symbols_;
    for (int member : members.ranks) {
      checked_.table.bindCoordinates(member, symbols);
      StatusOr<int64_t> value = checked_.table.evaluateOne(expr, symbols);
      values.push_back(value.ok() ? *value : ExprTable::kUnknown);
    }
    return values;
  }

  void guardOfGroup(const plan::Program& p, const plan::Step& s) {
    if (s.guard() == 0 || !s.has_collective()) return;
    GroupMembers members = membersOf(plan_.mesh(), plan_.groups(static_cast<int>(s.collective().group())), rank_);
    std::vector<int64_t> guards = ofMembers(s.guard() - 1, members);
    bool same = std::all_of(guards.begin(), guards.end(), [&](int64_t g) { return (g == 0) == (guards[0] == 0); });
    findings_.require(same, 21, onRank(inStep(p, s)), "a guard that only some members of the group pass",
                      "guards of collectives that all members pass, or none");
  }

  std::vector<int64_t> dimsOf(const plan::View& v) const {
    std::vector<int64_t> dims;
    for (uint32_t d : v.dims()) dims.push_back(values_[d]);
    return dims;
  }

  // The input's dims after dim `dim` was made `extent`, compared with the output's.
  static bool equalBut(std::vector<int64_t> in, const std::vector<int64_t>& out, std::map<size_t, int64_t> replaced) {
    for (auto [dim, extent] : replaced) {
      if (dim >= in.size()) return false;
      in[dim] = extent;
    }
    return in == out;
  }

  void collective(const plan::CollectiveStep& c, const std::string& where) {
    using Step = plan::CollectiveStep;
    GroupMembers members = membersOf(plan_.mesh(), plan_.groups(static_cast<int>(c.group())), rank_);
    std::string kind = collectiveKindName(c.kind());
    bool combines = c.kind() == Step::ALL_REDUCE || c.kind() == Step::REDUCE_SCATTER;
    bool knows = c.combiner() == "sum" || c.combiner() == "max" || c.combiner() == "min" || c.combiner() == "prod";
    findings_.require(combines ? knows : c.combiner().empty(), 20, where,
                      kind + " with combiner " + quoted(c.combiner()), combines ? "sum, max, min or prod" : "none");
    findings_.require(!c.input().absent() && !c.output().absent() && c.input().dtype() == c.output().dtype(), 20, where,
                      "types " + std::to_string(c.input().dtype()) + " and " + std::to_string(c.output().dtype()),
                      "an input and an output of one type");
    if (c.kind() == Step::PERMUTE) permutation(c, members, where);
    extents(c, members, kind, where);
  }

  void permutation(const plan::CollectiveStep& c, const GroupMembers& members, const std::string& where) {
    std::vector<int64_t> peers = ofMembers(c.peer(), members);
    std::set<int64_t> distinct(peers.begin(), peers.end());
    bool holds = distinct.size() == peers.size() && *distinct.begin() >= 0 &&
                 *distinct.rbegin() < static_cast<int64_t>(peers.size());
    findings_.require(holds, 20, where, "peers that are no permutation", "for each member another one of the group");
  }

  void extents(const plan::CollectiveStep& c, const GroupMembers& members, const std::string& kind,
               const std::string& where) {
    using Step = plan::CollectiveStep;
    std::vector<int64_t> in = dimsOf(c.input()), out = dimsOf(c.output());
    std::vector<int64_t> parts = ofMembers(c.part(), members), splits = ofMembers(c.split_part(), members);
    auto sum = [](const std::vector<int64_t>& v) {
      int64_t total = 0;
      for (int64_t x : v) total += std::max<int64_t>(x, 0);
      return total;
    };
    auto mine = static_cast<size_t>(members.index);
    size_t dim = c.dim(), splitDim = c.split_dim();
    bool holds = true;
    switch (c.kind()) {
      case Step::ALL_GATHER:
        holds = dim < in.size() && in[dim] == parts[mine] && equalBut(in, out, {{dim, sum(parts)}});
        break;
      case Step::REDUCE_SCATTER:
        holds = dim < in.size() && in[dim] == sum(parts) && equalBut(in, out, {{dim, parts[mine]}});
        break;
      case Step::ALL_TO_ALL:
        holds = dim != splitDim && dim < in.size() && splitDim < in.size() && in[dim] == parts[mine] &&
                in[splitDim] == sum(splits) && equalBut(in, out, {{dim, sum(parts)}, {splitDim, splits[mine]}});
        break;
      case Step::PERMUTE: {
        // What is received has the sender's dims.
        int64_t peer = ofMembers(c.peer(), members)[mine];
        holds = in.size() == out.size() && peer >= 0 && peer < static_cast<int64_t>(members.ranks.size());
        for (size_t d = 0; holds && d < out.size(); ++d)
          holds = out[d] == ofMembers(c.input().dims(static_cast<int>(d)), members)[static_cast<size_t>(peer)];
        break;
      }
      default:
        holds = in == out;
        break;
    }
    bool positive = std::all_of(parts.begin(), parts.end(), [](int64_t x) { return x >= 0; });
    findings_.require(holds && positive, 20, where,
                      kind + " from " + text(in) + " to " + text(out) + " with parts " + text(parts) +
                          (c.kind() == Step::ALL_TO_ALL ? " and split parts " + text(splits) : ""),
                      "dims that the members' parts add up to");
  }

  static std::string text(const std::vector<int64_t>& dims) {
    std::string result = "[";
    for (size_t i = 0; i < dims.size(); ++i) result += (i ? ", " : "") + std::to_string(dims[i]);
    return result + "]";
  }

  // --- P22 ------------------------------------------------------------------------------------------------------------

  bool overlap(const plan::View& a, const plan::View& b) const {
    if (a.buffer() != b.buffer()) return false;
    std::optional<ElementRange> ra = elementsOf(a, values_), rb = elementsOf(b, values_);
    return ra && rb && ra->first <= rb->last && rb->first <= ra->last;
  }

  void asyncSteps(const plan::Program& p) {
    std::map<int, int> waits;  // started step -> its wait
    for (int i = 0; i < p.steps_size(); ++i) {
      const plan::Step& s = p.steps(i);
      if (!s.has_wait()) continue;
      auto started = static_cast<int>(s.wait().step());
      bool holds = started < i && p.steps(started).async() && waits.emplace(started, i).second &&
                   p.steps(started).guard() == s.guard();
      findings_.require(holds, 22, inStep(p, s), "a wait for step " + quoted(p.steps(started).name()),
                        "one wait for each earlier asynchronous step, under its guard");
    }
    std::map<uint32_t, std::vector<int>> waitsOfGroup;
    for (int i = 0; i < p.steps_size(); ++i) {
      const plan::Step& s = p.steps(i);
      if (!s.async()) continue;
      findings_.require(s.has_collective() || s.has_transfer(), 22, inStep(p, s),
                        "an asynchronous step of kind " + std::string(stepKindName(s)), "collectives and transfers");
      auto wait = waits.find(i);
      if (wait == waits.end()) {
        findings_.add(22, inStep(p, s), "no wait for it", "one wait");
        continue;
      }
      if (s.has_collective()) inOrder(waitsOfGroup[s.collective().group()], i, wait->second, inStep(p, s));
      untouched(p, i, wait->second);
    }
  }

  // A communicator completes what was started in its order, and holds a few at a time.
  void inOrder(std::vector<int>& waits, int start, int wait, const std::string& where) {
    auto pending = std::count_if(waits.begin(), waits.end(), [&](int w) { return w > start; });
    findings_.require(waits.empty() || wait > waits.back(), 22, where,
                      "a wait before that of an earlier start of its group", "waits in the order of the starts");
    findings_.require(pending < kMostPending, 22, where,
                      std::to_string(pending) + " collectives of its group under way",
                      "fewer than " + std::to_string(kMostPending));
    waits.push_back(wait);
  }

  // Between start and wait nobody touches what is being received, or writes what is being sent.
  void untouched(const plan::Program& p, int start, int wait) {
    for (const StepView& v : viewsOf(p.steps(start))) {
      const plan::Buffer& b = p.buffers(static_cast<int>(v.view->buffer()));
      findings_.require(b.kind() != plan::Buffer::TEMPORARY || static_cast<int>(b.last_step()) >= wait, 22,
                        inStep(p, p.steps(start)) + " " + v.label(),
                        "buffer " + quoted(b.name()) + " that ends at step " + std::to_string(b.last_step()),
                        "buffers alive until the wait, step " + std::to_string(wait));
      for (int i = start + 1; i < wait; ++i)
        for (const StepView& other : viewsOf(p.steps(i)))
          findings_.require(!(v.writes() || other.writes()) || !overlap(*v.view, *other.view), 22,
                            inStep(p, p.steps(i)) + " " + other.label(),
                            "buffer " + quoted(b.name()) + " before the wait for " + quoted(p.steps(start).name()),
                            "what is under way is left alone");
    }
  }

  // --- P24, sizes -------------------------------------------------------------------------------------------------------

  void call(const plan::Program& p, const plan::Step& s) {
    const plan::CallStep& c = s.call();
    for (uint32_t called : c.programs()) {
      for (const plan::Buffer& b : plan_.programs(static_cast<int>(called)).buffers()) {
        if (b.kind() != plan::Buffer::CAPTURE) continue;
        auto k = static_cast<int>(b.source());
        const plan::View& v = k < c.captures_size() ? c.captures(k) : c.outputs(k - c.captures_size());
        int64_t count = 1;
        bool dense = true;
        for (int d = v.dims_size(); d-- > 0;) {
          dense = dense && (values_[v.dims(d)] == 1 || values_[v.strides(d)] == count);
          count *= std::max<int64_t>(values_[v.dims(d)], 0);
        }
        findings_.require(count == 0 || (dense && values_[b.count()] <= count), 24, onRank(inStep(p, s)),
                          "capture " + quoted(b.name()) + " of " + std::to_string(values_[b.count()]) +
                              " elements on a window of " + std::to_string(count) + (dense ? "" : ", not dense"),
                          "dense windows that hold the capture");
      }
    }
  }

  const PlanUnderCheck& checked_;
  const plan::Plan& plan_;
  int rank_;
  Findings& findings_;
  ExprTable::Symbols symbols_;
  std::vector<int64_t> values_;
};

}  // namespace

void checkRank(const PlanUnderCheck& checked, int rank, Findings& findings) {
  RankCheck(checked, rank, findings).all();
}

}  // namespace shardwright
