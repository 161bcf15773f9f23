// P14, P22 and P24: what holds on one rank at given sizes.
#include <algorithm>
#include <map>

#include "runtime/plan/rank_classes.h"
#include "runtime/plan/step_views.h"

namespace shardwright {

std::optional<ElementRange> elementsOf(const plan::View& view, Access access, const std::vector<int64_t>& values) {
  ElementRange range{values[view.offset()], values[view.offset()]};
  if (values[view.offset()] == ExprTable::kUnknown) return std::nullopt;
  for (int i = 0; i < view.dims_size(); ++i) {
    int64_t dim = values[view.dims(i)], stride = values[view.strides(i)];
    if (dim == 0 && stride == 0 && access != Access::kRead) continue;
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
  RankCheck(const PlanUnderCheck& checked, const SizesUnderCheck& at, int cls, Findings& findings)
      : checked_(checked),
        plan_(checked.plan),
        at_(at),
        cls_(cls),
        findings_(findings),
        values_(at.classes.values(cls)) {}

  void all() {
    for (uint32_t index : at_.programs(plan_, at_.classes.stage(at_.classes.firstRank(cls_)))) {
      const plan::Program& p = plan_.programs(static_cast<int>(index));
      for (const plan::Buffer& b : p.buffers())
        findings_.require(values_[b.count()] >= 0, 14, onRank(inProgram(p) + " buffer " + quoted(b.name())),
                          std::to_string(values_[b.count()]) + " elements", "at least 0");
      for (const plan::Step& s : p.steps()) step(p, s);
      asyncSteps(p);
    }
  }

 private:
  std::string onRank(const std::string& where) const { return where + " " + at_.classes.text(cls_) + at_.text; }

  void step(const plan::Program& p, const plan::Step& s) {
    if (s.guard() > 0 && values_[s.guard() - 1] == 0) return;
    for (const StepView& v : viewsOf(s)) window(p, v, onRank(inStep(p, s) + " " + v.label()));
    if (s.has_call()) call(p, s);
  }

  // P14
  void window(const plan::Program& p, const StepView& v, const std::string& where) {
    for (uint32_t dim : v.view->dims())
      findings_.require(values_[dim] >= 0, 14, where, "dim " + std::to_string(values_[dim]), "at least 0");
    std::optional<ElementRange> range = elementsOf(*v.view, v.access, values_);
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
      int64_t part = at_.sizes[static_cast<size_t>(checked_.table.slot(symbol.name()))];
      int64_t whole = at_.sizes[static_cast<size_t>(checked_.table.slot(symbol.part_of()))];
      return static_cast<__int128>(std::max<int64_t>(whole - part, 0)) * values_[port.microbatch_stride()];
    }
    return 0;
  }

  // --- P22 ------------------------------------------------------------------------------------------------------------

  bool overlap(const StepView& a, const StepView& b) const {
    if (a.view->buffer() != b.view->buffer()) return false;
    std::optional<ElementRange> ra = elementsOf(*a.view, a.access, values_),
                                rb = elementsOf(*b.view, b.access, values_);
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
          findings_.require(!(v.writes() || other.writes()) || !overlap(v, other), 22,
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
  const SizesUnderCheck& at_;
  int cls_;
  Findings& findings_;
  const std::vector<int64_t>& values_;
};

}  // namespace

void checkRank(const PlanUnderCheck& checked, const SizesUnderCheck& at, int cls, Findings& findings) {
  RankCheck(checked, at, cls, findings).all();
}

}  // namespace shardwright
