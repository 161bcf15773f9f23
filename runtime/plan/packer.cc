#include "runtime/plan/packer.h"

#include <algorithm>
#include <numeric>

#include "runtime/base/dtype.h"

namespace shardwright {
namespace {

// Improvement rounds cost a square of the number of buffers each, and where there are many, the first orders do well.
constexpr size_t kImprovementWork = 20'000'000;
constexpr size_t kMaxRounds = 60;
constexpr size_t kMaxShuffles = 600;
constexpr int64_t kGoodEnough = 32;  // within a 32nd of the lower bound

struct Placed {
  int64_t begin, end;
};

class Packer {
 public:
  explicit Packer(const std::vector<PackItem>& items) : items_(items), sizes_(items.size()) {
    for (size_t i = 0; i < items.size(); ++i)
      sizes_[i] = (items[i].sizeBytes + kBufferAlignment - 1) / kBufferAlignment * kBufferAlignment;
    best_.offsets.assign(items.size(), 0);
    best_.lowerBoundBytes = lowerBound();
    best_.peakBytes = INT64_MAX;
  }

  Packing run() {
    std::vector<size_t> order(items_.size());
    std::iota(order.begin(), order.end(), size_t{0});
    tryOrder(sortedBy(order, [&](size_t i) { return -sizes_[i]; }));
    tryOrder(sortedBy(order, [&](size_t i) { return -static_cast<double>(sizes_[i]) * span(i); }));
    tryOrder(sortedBy(order, [&](size_t i) { return -span(i); }));
    tryOrder(sortedBy(order, [&](size_t i) { return items_[i].firstStep; }));
    improve();
    shuffle();
    return std::move(best_);
  }

 private:
  double span(size_t i) const { return items_[i].lastStep - items_[i].firstStep + 1.0; }

  template <typename Key>
  std::vector<size_t> sortedBy(std::vector<size_t> order, Key key) const {
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return key(a) < key(b); });
    return order;
  }

  int64_t lowerBound() const {
    std::vector<std::pair<int, int64_t>> changes;
    for (size_t i = 0; i < items_.size(); ++i) {
      changes.emplace_back(items_[i].firstStep, sizes_[i]);
      changes.emplace_back(items_[i].lastStep + 1, -sizes_[i]);
    }
    std::sort(changes.begin(), changes.end());  // at one step, ends come before beginnings
    int64_t alive = 0, most = 0;
    for (const auto& [step, change] : changes) most = std::max(most, alive += change);
    return most;
  }

  bool isDone() const { return best_.peakBytes <= best_.lowerBoundBytes; }

  // Places the items one after another, each into the tightest gap among those alive with it, or on top. Keeps the
  // result if it is the best so far.
  void tryOrder(const std::vector<size_t>& order) {
    if (isDone()) return;
    std::vector<int64_t> offsets(items_.size(), 0);
    std::vector<size_t> done;
    std::vector<Placed> alive;
    int64_t peak = 0;
    for (size_t i : order) {
      if (sizes_[i] == 0) continue;
      alive.clear();
      for (size_t j : done)
        if (items_[j].firstStep <= items_[i].lastStep && items_[i].firstStep <= items_[j].lastStep)
          alive.push_back({offsets[j], offsets[j] + sizes_[j]});
      offsets[i] = bestFit(alive, sizes_[i]);
      peak = std::max(peak, offsets[i] + sizes_[i]);
      if (peak >= best_.peakBytes) return;
      done.push_back(i);
    }
    best_.peakBytes = peak;
    best_.offsets = std::move(offsets);
    bestOrder_ = order;
  }

  static int64_t bestFit(std::vector<Placed>& alive, int64_t size) {
    std::sort(alive.begin(), alive.end(), [](Placed a, Placed b) { return a.begin < b.begin; });
    int64_t at = 0, best = -1, bestGap = INT64_MAX;
    for (Placed p : alive) {
      int64_t gap = p.begin - at;
      if (gap >= size && gap < bestGap) best = at, bestGap = gap;
      at = std::max(at, p.end);
    }
    return best >= 0 ? best : at;
  }

  // What sticks out at the top is placed first next time, and what shares its steps right after it.
  void improve() {
    size_t rounds = std::min(kMaxRounds, kImprovementWork / (items_.size() * items_.size()));
    for (size_t round = 0; round < rounds && !isDone(); ++round) {
      std::vector<size_t> order = bestOrder_;
      size_t top = order[0];
      size_t skipped = 0;  // vary which of the highest items is promoted
      for (size_t i : sortedBy(order, [&](size_t i) { return -(best_.offsets[i] + sizes_[i]); })) {
        top = i;
        if (skipped++ == round / 2) break;
      }
      auto rank = [&](size_t i) {
        if (i == top) return 0;
        bool meets = items_[i].firstStep <= items_[top].lastStep && items_[top].firstStep <= items_[i].lastStep;
        return meets && round % 2 == 0 ? 1 : 2;
      };
      tryOrder(sortedBy(order, rank));
    }
  }

  // Where that has not come close: single items moved ahead, which and where to by a fixed sequence of random numbers.
  void shuffle() {
    size_t rounds = std::min(kMaxShuffles, kImprovementWork / (items_.size() * items_.size()));
    uint64_t state = 1;
    auto below = [&](size_t n) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      return static_cast<size_t>((state >> 33) % n);
    };
    for (size_t round = 0; round < rounds; ++round) {
      if (best_.peakBytes <= best_.lowerBoundBytes + best_.lowerBoundBytes / kGoodEnough) return;
      std::vector<size_t> order = bestOrder_;
      size_t from = below(order.size()), to = below(from + 1);
      std::rotate(order.begin() + static_cast<int64_t>(to), order.begin() + static_cast<int64_t>(from),
                  order.begin() + static_cast<int64_t>(from) + 1);
      tryOrder(order);
    }
  }

  const std::vector<PackItem>& items_;
  std::vector<int64_t> sizes_;
  std::vector<size_t> bestOrder_;
  Packing best_;
};

}  // namespace

Packing packBuffers(const std::vector<PackItem>& items) {
  if (items.empty()) return {};
  return Packer(items).run();
}

std::optional<std::pair<size_t, size_t>> firstOverlap(const std::vector<PackItem>& items, const Packing& packing) {
  std::vector<size_t> order;
  for (size_t i = 0; i < items.size(); ++i)
    if (items[i].sizeBytes > 0) order.push_back(i);
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return items[a].firstStep < items[b].firstStep; });
  std::vector<size_t> alive;
  for (size_t i : order) {
    if (packing.offsets[i] < 0 || packing.offsets[i] + items[i].sizeBytes > packing.peakBytes) return {{i, i}};
    alive.erase(std::remove_if(alive.begin(), alive.end(),
                               [&](size_t other) { return items[other].lastStep < items[i].firstStep; }),
                alive.end());
    for (size_t other : alive)
      if (packing.offsets[i] < packing.offsets[other] + items[other].sizeBytes &&
          packing.offsets[other] < packing.offsets[i] + items[i].sizeBytes)
        return {{other, i}};
    alive.push_back(i);
  }
  return std::nullopt;
}

TemporaryItems temporaryItems(const plan::Program& program, const std::vector<int64_t>& values) {
  TemporaryItems result;
  for (int i = 0; i < program.buffers_size(); ++i) {
    const plan::Buffer& buffer = program.buffers(i);
    if (buffer.kind() != plan::Buffer::TEMPORARY) continue;
    int64_t count = std::clamp<int64_t>(values[buffer.count()], 0, int64_t{1} << 56);
    result.indices.push_back(i);
    result.items.push_back({byteSize(static_cast<DType>(buffer.dtype()), count), static_cast<int>(buffer.first_step()),
                            static_cast<int>(buffer.last_step())});
  }
  return result;
}

ProgramMemory memoryOf(const plan::Plan& plan, uint32_t program, const std::vector<int64_t>& values) {
  const plan::Program& p = plan.programs(static_cast<int>(program));
  Packing packing = packBuffers(temporaryItems(p, values).items);
  ProgramMemory called;
  for (const plan::Step& s : p.steps())
    for (uint32_t c : s.call().programs()) {
      ProgramMemory memory = memoryOf(plan, c, values);
      called.peakBytes = std::max(called.peakBytes, memory.peakBytes);
      called.lowerBoundBytes = std::max(called.lowerBoundBytes, memory.lowerBoundBytes);
    }
  return {packing.peakBytes + called.peakBytes, packing.lowerBoundBytes + called.lowerBoundBytes};
}

}  // namespace shardwright
