// P16 and P30: what holds of memory on one rank at given sizes: nothing is read that this rank has not written, and temporaries
// that live together lie apart.
#include <algorithm>
#include <map>

#include "runtime/plan/packer.h"
#include "runtime/plan/rank_classes.h"
#include "runtime/plan/step_views.h"

namespace shardwright {
namespace {

constexpr size_t kMostRuns = 4096;

// Element numbers, as disjoint intervals [begin, end).
class Elements {
 public:
  void add(int64_t begin, int64_t end) {
    auto it = intervals_.upper_bound(begin);
    if (it != intervals_.begin() && std::prev(it)->second >= begin) begin = (--it)->first;
    while (it != intervals_.end() && it->first <= end) {
      end = std::max(end, it->second);
      it = intervals_.erase(it);
    }
    intervals_[begin] = end;
  }
  bool contains(int64_t begin, int64_t end) const {
    auto it = intervals_.upper_bound(begin);
    return it != intervals_.begin() && std::prev(it)->second >= end;
  }

 private:
  std::map<int64_t, int64_t> intervals_;
};

// Calls visit(begin, end) for the stretches of neighbouring elements in a window, or once for all from the first to the last
// one where there are too many of them. The window is not empty and lies in its buffer.
template <typename F>
void forEachStretch(const plan::View& view, Access access, const std::vector<int64_t>& values, F visit) {
  std::vector<std::pair<int64_t, int64_t>> dims;  // stride, extent; of what is not neighbouring
  int64_t stretch = 1;
  for (int i = view.dims_size(); i-- > 0;) {
    int64_t dim = values[view.dims(i)], stride = values[view.strides(i)];
    if (dim == 1 || stride == 0) continue;
    if (stride == stretch && dims.empty())
      stretch *= dim;
    else
      dims.emplace_back(stride, dim);
  }
  size_t runs = 1;
  for (const auto& dim : dims)
    runs = std::min(kMostRuns + 1, runs * std::min(kMostRuns + 1, static_cast<size_t>(dim.second)));
  if (runs > kMostRuns) {
    ElementRange range = *elementsOf(view, access, values);
    return visit(static_cast<int64_t>(range.first), static_cast<int64_t>(range.last) + 1);
  }
  std::vector<int64_t> at(dims.size(), 0);
  for (size_t run = 0; run < runs; ++run) {
    int64_t begin = values[view.offset()];
    for (size_t d = 0; d < dims.size(); ++d) begin += at[d] * dims[d].first;
    visit(begin, begin + stretch);
    for (size_t d = 0; d < dims.size() && ++at[d] == dims[d].second; ++d) at[d] = 0;
  }
}

class MemoryCheck {
 public:
  MemoryCheck(const PlanUnderCheck& checked, const SizesUnderCheck& at, int cls, Findings& findings)
      : plan_(checked.plan), at_(at), cls_(cls), findings_(findings), values_(at.classes.values(cls)) {}

  void written() {
    for (uint32_t p : programs()) written(plan_.programs(static_cast<int>(p)));
  }

  void packed() {
    for (uint32_t p : programs()) packed(plan_.programs(static_cast<int>(p)));
  }

  // At the assumed sizes.
  void withinLimit() {
    const int64_t limit = plan_.memory_limit_bytes();
    if (limit == 0) return;
    const int stage = at_.classes.stage(at_.classes.firstRank(cls_));
    const RankMemory memory = memoryOfRank(plan_, entriesOfRuns(plan_), stage, values_);
    findings_.require(memory.totalBytes() <= limit, 30, "stage " + std::to_string(stage) + " " + at_.classes.text(cls_),
                      std::to_string(memory.totalBytes()) + " bytes: " + std::to_string(memory.weightBytes) +
                          " of weights, " + std::to_string(memory.stateBytes) + " of states, " +
                          std::to_string(memory.peakBytes) + " of temporaries",
                      "the stated " + std::to_string(limit));
  }

 private:
  std::vector<uint32_t> programs() const { return at_.programs(plan_, at_.classes.stage(at_.classes.firstRank(cls_))); }
  std::string onRank(const std::string& where) const { return where + " " + at_.classes.text(cls_) + at_.text; }

  void written(const plan::Program& p) {
    std::vector<Elements> known(static_cast<size_t>(p.buffers_size()));
    for (const plan::Step& s : p.steps()) {
      if (s.guard() > 0 && values_[s.guard() - 1] == 0) continue;
      std::vector<StepView> views = viewsOf(s);
      for (const StepView& v : views)
        if (v.access == Access::kRead && isTemporary(p, v)) read(p, s, v, known[v.view->buffer()]);
      for (const StepView& v : views)
        if (v.writes() && isTemporary(p, v) && elementsOf(*v.view, v.access, values_))
          forEachStretch(*v.view, v.access, values_,
                         [&](int64_t begin, int64_t end) { known[v.view->buffer()].add(begin, end); });
    }
  }

  static bool isTemporary(const plan::Program& p, const StepView& v) {
    return p.buffers(static_cast<int>(v.view->buffer())).kind() == plan::Buffer::TEMPORARY;
  }

  void read(const plan::Program& p, const plan::Step& s, const StepView& v, const Elements& known) {
    if (!elementsOf(*v.view, v.access, values_)) return;
    bool isKnown = true;
    int64_t missing = 0;
    forEachStretch(*v.view, v.access, values_, [&](int64_t begin, int64_t end) {
      if (isKnown && !known.contains(begin, end)) isKnown = false, missing = begin;
    });
    findings_.require(isKnown, 16, onRank(inStep(p, s) + " " + v.label()),
                      "elements from " + std::to_string(missing) + " on of buffer " +
                          quoted(p.buffers(static_cast<int>(v.view->buffer())).name()) +
                          " that no step has written there",
                      "elements that an earlier step has written on the same rank");
  }

  void packed(const plan::Program& p) {
    TemporaryItems temporaries = temporaryItems(p, values_);
    auto overlap = firstOverlap(temporaries.items, packBuffers(temporaries.items));
    if (!overlap) return;
    auto name = [&](size_t item) { return quoted(p.buffers(temporaries.indices[item]).name()); };
    findings_.add(30, onRank(inProgram(p)),
                  "buffers " + name(overlap->first) + " and " + name(overlap->second) + " in one place",
                  "room of its own for each while it lives");
  }

  const plan::Plan& plan_;
  const SizesUnderCheck& at_;
  int cls_;
  Findings& findings_;
  const std::vector<int64_t>& values_;
};

}  // namespace

void checkWritten(const PlanUnderCheck& checked, const SizesUnderCheck& at, int cls, Findings& findings) {
  MemoryCheck(checked, at, cls, findings).written();
}

void checkPacking(const PlanUnderCheck& checked, const SizesUnderCheck& at, int cls, Findings& findings) {
  MemoryCheck check(checked, at, cls, findings);
  check.packed();
  if (at.text.empty()) check.withinLimit();
}

}  // namespace shardwright
