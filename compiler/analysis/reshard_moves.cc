#include "compiler/analysis/reshard_moves.h"

#include <algorithm>

namespace shardwright {
namespace {

using Factors = llvm::SmallVector<DimSplit, 2>;

// --- Alignment ---------------------------------------------------------------------------------------------------------

// The first axes of the list that make `size` parts, and the rest; a sub-axis is cut where needed.
std::optional<std::pair<AxisList, AxisList>> cutAxes(const AxisList& axes, int64_t size) {
  AxisList outer, inner;
  for (const SubAxis& sub : axes) {
    if (size == 1) {
      inner.push_back(sub);
    } else if (size % sub.size == 0) {
      outer.push_back(sub);
      size /= sub.size;
    } else if (sub.size % size == 0) {
      outer.push_back({sub.axis, sub.pre, size});
      inner.push_back({sub.axis, sub.pre * size, sub.size / size});
      size = 1;
    } else {
      return std::nullopt;
    }
  }
  if (size != 1) return std::nullopt;
  return std::make_pair(outer, inner);
}

// The factor as two, the outer one of this extent.
std::optional<std::pair<DimSplit, DimSplit>> cutFactor(const DimSplit& x, Expr outer) {
  std::optional<Expr> inner = x.extent.dividedBy(outer);
  if (!inner) return std::nullopt;
  if (x.axes.empty()) return std::make_pair(DimSplit{outer, {}, 1}, DimSplit{*inner, {}, 1});
  if (outer.dividedBy(x.granules)) return std::make_pair(DimSplit{outer, x.axes, x.granules}, DimSplit{*inner, {}, 1});
  // One index of the outer factor each: the inner split goes on inside it.
  std::optional<int64_t> size = outer.constant();
  std::optional<Expr> granules = x.granules.dividedBy(outer);
  if (!size || !granules) return std::nullopt;
  auto axes = cutAxes(x.axes, *size);
  if (!axes) return std::nullopt;
  return std::make_pair(DimSplit{outer, axes->first, outer}, DimSplit{*inner, axes->second, *granules});
}

Factors withoutAxes(const Factors& factors) {
  Factors result;
  for (const DimSplit& split : factors) result.push_back({split.extent, {}, 1});
  return result;
}

}  // namespace

AlignedDim align(const DimSharding& a, const DimSharding& b, Expr dim) {
  Factors x(a.factors.begin(), a.factors.end()), y(b.factors.begin(), b.factors.end());
  if (x.empty() && y.empty()) x.push_back({dim, {}, 1});
  if (x.empty()) x = withoutAxes(y);
  if (y.empty()) y = withoutAxes(x);
  AlignedDim result;
  size_t i = 0, j = 0;
  while (i < x.size() && j < y.size()) {
    if (x[i].extent == y[j].extent) {
      result.a.push_back(x[i++]);
      result.b.push_back(y[j++]);
    } else if (auto cut = cutFactor(x[i], y[j].extent)) {
      result.a.push_back(cut->first);
      result.b.push_back(y[j++]);
      x[i] = cut->second;
    } else if (auto cutOther = cutFactor(y[j], x[i].extent)) {
      result.a.push_back(x[i++]);
      result.b.push_back(cutOther->first);
      y[j] = cutOther->second;
    } else {
      break;
    }
  }
  if (i == x.size() && j == y.size()) return result;
  result.aligned = false;
  result.a.assign(a.factors.begin(), a.factors.end());
  result.b.clear();
  return result;
}

namespace {

// --- Moves -------------------------------------------------------------------------------------------------------------

class MoveFinder {
 public:
  MoveFinder(const Sharding& state, const Sharding& target, llvm::ArrayRef<Expr> dims, const Mesh& mesh,
             const Facts& facts)
      : state_(state), target_(target), facts_(facts), targetAxes_(target.usedAxes()) {
    free_ = freeAxes(mesh, state.usedAxes());
    keepsPartial_ = state.combiner == target.combiner;
    aligned_.resize(dims.size());
    for (int d = 0; d < static_cast<int>(dims.size()); ++d) {
      if (state.dims[d] == target.dims[d]) continue;
      aligned_[d] = align(state.dims[d], target.dims[d], dims[d]);
      for (int f = 0; f < static_cast<int>(aligned_[d].a.size()); ++f) look({d, f});
    }
  }

  std::vector<ReshardStep> find() {
    reduce();
    for (const Split& split : splits_) slice(split);
    mask();
    for (const Split& split : splits_) {
      reduceScatter(split);
      for (const Gather& gather : gathers_) allToAll(gather, split);
    }
    permuteToTarget();
    for (const Split& split : splits_) reorder(split.place);
    for (const Ride& ride : rides_) takeAlong(ride);
    for (const Gather& gather : gathers_) allGather(gather);
    return std::move(moves_);
  }

 private:
  struct Gather {
    Place place;
    AxisList keeps, loses;
  };
  struct Split {
    Place place;
    AxisList has, wants;
  };
  // A factor whose axes must leave it anyway: it may take others along for a part of the way.
  //   [60{a}, _] -> [_, 84{a,b}]     slice to [60{a,b}, _], then one all-to-all of half the bytes
  struct Ride {
    Place place;
    AxisList has;
  };

  const DimSplit& at(Place p) const { return aligned_[p.dim].a[p.factor]; }
  const DimSplit* goal(Place p) const { return aligned_[p.dim].aligned ? &aligned_[p.dim].b[p.factor] : nullptr; }

  // What can be gathered from this factor, and what the target wants of it.
  void look(Place place) {
    AxisList axes = at(place).axes, wanted = targetAxes_, ofGoal;
    refine(axes, wanted);
    size_t kept = 0;
    if (const DimSplit* y = goal(place)) {
      ofGoal = y->axes;
      AxisList has = axes;
      refine(has, ofGoal);
      if (has.size() == axes.size()) {
        while (kept < axes.size() && kept < ofGoal.size() && axes[kept] == ofGoal[kept]) ++kept;
        // The parts that are kept must be where the target has them.
        while (kept > 0 &&
               !sameParts(sizeOf(llvm::ArrayRef(axes).take_front(kept)), at(place).granules, y->granules, facts_))
          --kept;
      }
    }
    if (kept < axes.size()) rides_.push_back({place, axes});
    for (size_t k = kept; k < axes.size(); ++k)
      gathers_.push_back({place, AxisList(axes.begin(), axes.begin() + k), AxisList(axes.begin() + k, axes.end())});
    if (kept == axes.size() && kept < ofGoal.size())
      splits_.push_back({place, axes, AxisList(ofGoal.begin() + kept, ofGoal.end())});
    if (kept < axes.size() && kept < ofGoal.size()) splits_.push_back({place, axes, {}});
  }

  ReshardStep step(ReshardKind kind, llvm::ArrayRef<SubAxis> axes) const {
    ReshardStep s;
    s.kind = kind;
    s.axes = canonical(axes);
    s.before = s.after = state_;
    return s;
  }
  // The dims that a step works on are cut as the target is.
  void cut(ReshardStep& s, int d) const {
    s.before.dims[d].factors.assign(aligned_[d].a.begin(), aligned_[d].a.end());
    s.after.dims[d] = s.before.dims[d];
  }
  void applyGather(ReshardStep& s, const Gather& gather) const {
    if (s.split.dim != gather.place.dim) cut(s, gather.place.dim);
    s.gather = gather.place;
    s.after.dims[gather.place.dim].factors[gather.place.factor].axes = gather.keeps;
  }
  void applySplit(ReshardStep& s, const Split& split, llvm::ArrayRef<SubAxis> added) const {
    if (s.gather.dim != split.place.dim) cut(s, split.place.dim);
    s.split = split.place;
    const DimSplit& y = *goal(split.place);
    DimSplit& before = s.before.dims[split.place.dim].factors[split.place.factor];
    DimSplit& after = s.after.dims[split.place.dim].factors[split.place.factor];
    before.granules = after.granules = y.granules;
    after.axes = split.has;
    after.axes.append(added.begin(), added.end());
  }
  void dropPartial(ReshardStep& s, llvm::ArrayRef<SubAxis> axes) const {
    s.combiner = state_.combiner;
    s.after.partial = subtract(state_.partial, axes);
    if (s.after.partial.empty()) s.after.combiner = PartialKind::kNone;
  }

  // Digits of `list` that are not digits of `other`.
  static AxisList subtract(AxisList list, llvm::ArrayRef<SubAxis> other) {
    AxisList cut(other.begin(), other.end()), rest;
    refine(list, cut);
    for (const SubAxis& sub : list)
      if (std::find(cut.begin(), cut.end(), sub) == cut.end()) rest.push_back(sub);
    return rest;
  }
  static bool within(llvm::ArrayRef<SubAxis> list, llvm::ArrayRef<SubAxis> other) {
    return subtract(AxisList(list.begin(), list.end()), other).empty();
  }
  // Digits of `list` that are digits of `other`.
  static AxisList overlap(const AxisList& list, llvm::ArrayRef<SubAxis> other) {
    return subtract(list, subtract(list, other));
  }
  // The longest run of first digits that are all in `pool`.
  static AxisList leading(AxisList list, llvm::ArrayRef<SubAxis> pool) {
    AxisList cut(pool.begin(), pool.end());
    refine(list, cut);
    size_t n = 0;
    while (n < list.size() && within({list[n]}, cut)) ++n;
    list.truncate(n);
    return list;
  }
  AxisList excessPartial() const { return keepsPartial_ ? subtract(state_.partial, target_.partial) : state_.partial; }

  void slice(const Split& split) {
    AxisList axes = leading(split.wants, free_);
    if (axes.empty()) return;
    moves_.push_back(step(ReshardKind::kSlice, axes));
    applySplit(moves_.back(), split, axes);
  }

  void reduceScatter(const Split& split) {
    AxisList axes = leading(split.wants, excessPartial());
    if (axes.empty()) return;
    moves_.push_back(step(ReshardKind::kReduceScatter, axes));
    applySplit(moves_.back(), split, axes);
    dropPartial(moves_.back(), axes);
  }

  // All that is too much at once, and without what may be scattered instead.
  void reduce() {
    AxisList all = excessPartial(), unwanted = subtract(all, targetAxes_);
    allReduce(all);
    if (sizeOf(unwanted) != sizeOf(all)) allReduce(unwanted);
  }

  void allReduce(const AxisList& axes) {
    if (axes.empty()) return;
    moves_.push_back(step(ReshardKind::kAllReduce, axes));
    dropPartial(moves_.back(), axes);
  }

  void mask() {
    if (!state_.partial.empty() && !keepsPartial_) return;
    AxisList missing;
    for (const SubAxis& sub : subtract(target_.partial, state_.partial)) {
      AxisList one = leading({sub}, free_);
      missing.append(one.begin(), one.end());
    }
    if (missing.empty()) return;
    moves_.push_back(step(ReshardKind::kMask, missing));
    ReshardStep& s = moves_.back();
    s.combiner = s.after.combiner = target_.combiner;
    s.after.partial.append(missing.begin(), missing.end());
  }

  void allGather(const Gather& gather) {
    moves_.push_back(step(ReshardKind::kAllGather, gather.loses));
    applyGather(moves_.back(), gather);
  }

  void allToAll(const Gather& gather, const Split& split) {
    if (gather.place.dim == split.place.dim && gather.place.factor == split.place.factor) return;
    AxisList axes = leading(split.wants, gather.loses);
    if (canonical(axes) != canonical(gather.loses)) return;
    moves_.push_back(step(ReshardKind::kAllToAll, axes));
    applyGather(moves_.back(), gather);
    applySplit(moves_.back(), split, axes);
  }

  void takeAlong(const Ride& ride) {
    for (const DimSharding& d : target_.dims)
      for (const DimSplit& y : d.factors) {
        takeAlong(ReshardKind::kSlice, ride, overlap(y.axes, free_));
        takeAlong(ReshardKind::kReduceScatter, ride, overlap(y.axes, excessPartial()));
      }
    for (const Gather& gather : gathers_)
      if (gather.place.dim != ride.place.dim || gather.place.factor != ride.place.factor)
        if (within(gather.loses, targetAxes_)) takeAlong(ReshardKind::kAllToAll, ride, gather.loses, &gather);
  }

  void takeAlong(ReshardKind kind, const Ride& ride, const AxisList& axes, const Gather* gather = nullptr) {
    if (axes.empty()) return;
    // As fine as can be, so that it is as even as can be.
    const DimSplit& x = at(ride.place);
    if (!sameParts(sizeOf(ride.has), x.granules, x.extent, facts_)) return;
    ReshardStep s = step(kind, axes);
    cut(s, ride.place.dim);
    s.split = ride.place;
    DimSplit& before = s.before.dims[ride.place.dim].factors[ride.place.factor];
    DimSplit& after = s.after.dims[ride.place.dim].factors[ride.place.factor];
    before.granules = after.granules = x.extent;
    after.axes = ride.has;
    after.axes.append(axes.begin(), axes.end());
    if (gather) applyGather(s, *gather);
    if (kind == ReshardKind::kReduceScatter) dropPartial(s, axes);
    moves_.push_back(std::move(s));
  }

  // Where state and target cut the tensor into the same parts and only give them to other ranks.
  void permuteToTarget() {
    AxisList from, to;
    if (canonical(state_.partial) != canonical(target_.partial) || state_.combiner != target_.combiner) return;
    for (const AlignedDim& d : aligned_)
      if (!d.aligned) return;
    ReshardStep s = step(ReshardKind::kPermute, {});
    for (int d = 0; d < static_cast<int>(aligned_.size()); ++d) {
      if (aligned_[d].a.empty()) continue;  // nothing to do here
      cut(s, d);
      for (size_t f = 0; f < aligned_[d].a.size(); ++f) {
        const DimSplit &x = aligned_[d].a[f], &y = aligned_[d].b[f];
        if (sizeOf(x.axes) != sizeOf(y.axes) || !sameParts(sizeOf(x.axes), x.granules, y.granules, facts_)) return;
        s.after.dims[d].factors[f] = y;
        if (canonical(x.axes) == canonical(y.axes)) continue;
        from.append(x.axes.begin(), x.axes.end());
        to.append(y.axes.begin(), y.axes.end());
      }
    }
    pushPermute(std::move(s), from, to);
  }

  // The target's axes of a factor first, where the factor has them further back.
  void reorder(Place place) {
    AxisList axes = at(place).axes, wanted = goal(place)->axes;
    refine(axes, wanted);
    AxisList first = leading(wanted, axes), rest = subtract(axes, first);
    first.append(rest.begin(), rest.end());
    if (canonical(first) == canonical(axes) || sizeOf(first) != sizeOf(axes)) return;
    ReshardStep s = step(ReshardKind::kPermute, {});
    cut(s, place.dim);
    s.after.dims[place.dim].factors[place.factor].axes = first;
    pushPermute(std::move(s), axes, first);
  }

  // Rank r reads from the rank whose position on `from` is r's on `to`; where the lists have different digits, the source's
  // other digits are r's digits that `to` lacks, so that each rank is read once.
  void pushPermute(ReshardStep s, AxisList from, AxisList to) {
    refine(from, to);
    AxisList onlyTo = subtract(to, from), onlyFrom = subtract(from, to);
    if (from == to || overlaps(onlyTo, from) || overlaps(onlyFrom, to) || sizeOf(onlyTo) != sizeOf(onlyFrom)) return;
    s.axes = from;
    s.axes.append(onlyTo.begin(), onlyTo.end());
    s.peer = to;
    s.peer.append(onlyFrom.begin(), onlyFrom.end());
    moves_.push_back(std::move(s));
  }

  const Sharding &state_, &target_;
  const Facts& facts_;
  AxisList targetAxes_, free_;
  bool keepsPartial_ = false;
  std::vector<AlignedDim> aligned_;
  std::vector<Gather> gathers_;
  std::vector<Split> splits_;
  std::vector<Ride> rides_;
  std::vector<ReshardStep> moves_;
};

}  // namespace

std::vector<ReshardStep> movesTowards(const Sharding& state, const Sharding& target, llvm::ArrayRef<Expr> dims,
                                      const Mesh& mesh, const Facts& facts) {
  return MoveFinder(state, target, dims, mesh, facts).find();
}

}  // namespace shardwright
