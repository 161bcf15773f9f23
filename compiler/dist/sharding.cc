#include "compiler/dist/sharding.h"

#include <algorithm>

namespace shardwright {
namespace {

template <typename List, typename Compare>
int compareLists(const List& a, const List& b, Compare compare) {
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i)
    if (int order = compare(a[i], b[i])) return order;
  return a.size() < b.size() ? -1 : a.size() > b.size() ? 1 : 0;
}

int compareAxes(const AxisList& a, const AxisList& b) {
  return compareLists(a, b, [](const SubAxis& x, const SubAxis& y) { return x < y ? -1 : y < x ? 1 : 0; });
}

int compareSplits(const DimSplit& a, const DimSplit& b) {
  if (int order = compareAxes(a.axes, b.axes)) return order;
  if (int order = Expr::compare(a.extent, b.extent)) return order;
  return a.axes.empty() ? 0 : Expr::compare(a.granules, b.granules);
}

int compareShardings(const Sharding& a, const Sharding& b) {
  int order = compareLists(a.dims, b.dims, [](const DimSharding& x, const DimSharding& y) {
    return compareLists(x.factors, y.factors, compareSplits);
  });
  if (order == 0) order = compareAxes(a.partial, b.partial);
  if (order == 0 && !a.partial.empty()) order = static_cast<int>(a.combiner) - static_cast<int>(b.combiner);
  return order;
}

}  // namespace

bool DimSharding::whole() const {
  return std::all_of(factors.begin(), factors.end(), [](const DimSplit& split) { return split.axes.empty(); });
}

AxisList DimSharding::axes() const {
  AxisList list;
  for (const DimSplit& split : factors) list.append(split.axes.begin(), split.axes.end());
  return list;
}

bool Sharding::isReplicated() const {
  return partial.empty() && std::all_of(dims.begin(), dims.end(), [](const DimSharding& d) { return d.whole(); });
}

AxisList Sharding::usedAxes() const {
  AxisList list;
  for (const DimSharding& d : dims) {
    AxisList axes = d.axes();
    list.append(axes.begin(), axes.end());
  }
  list.append(partial.begin(), partial.end());
  return list;
}

bool operator==(const DimSharding& a, const DimSharding& b) {
  return compareLists(a.factors, b.factors, compareSplits) == 0;
}
bool operator==(const Sharding& a, const Sharding& b) { return compareShardings(a, b) == 0; }
bool operator<(const Sharding& a, const Sharding& b) { return compareShardings(a, b) < 0; }

namespace {

// Rule (3) on one split, and its axes.
DimSplit simplified(const DimSplit& split, const Facts& facts) {
  DimSplit result{facts.simplify(split.extent), canonical(split.axes), 1};
  if (result.axes.empty()) return result;
  result.granules = facts.simplify(split.granules);
  int64_t n = sizeOf(result.axes);
  if (facts.provablyDivides(n, result.granules)) result.granules = n;
  return result;
}

// Each rank holds exactly one index of the split.
bool oneEach(const DimSplit& split, const Facts& facts) {
  Expr n = sizeOf(split.axes);
  return split.granules == n && facts.provablyEqual(split.extent, n);
}

}  // namespace

DimSharding canonical(const DimSharding& d, const Facts& facts) {
  DimSharding result;
  auto& factors = result.factors;
  for (const DimSplit& raw : d.factors) {
    DimSplit split = simplified(raw, facts);
    bool whole = split.axes.empty();
    if (whole && facts.provablyEqual(split.extent, 1)) continue;
    if (whole && !factors.empty()) {
      factors.back().extent *= split.extent;  // (1) and (2)
    } else if (!whole && !factors.empty() && !factors.back().axes.empty() && oneEach(factors.back(), facts)) {
      // (4). Part i·n2 + j of n1·G2 granules begins at i·G2 + floor(j·G2/n2): the inner split need not be even.
      DimSplit& outer = factors.back();
      split.extent *= outer.extent;
      split.granules *= outer.extent;
      split.axes.insert(split.axes.begin(), outer.axes.begin(), outer.axes.end());
      outer = simplified(split, facts);
    } else {
      factors.push_back(std::move(split));
    }
  }
  if (result.whole()) factors.clear();
  return result;
}

bool sameParts(int64_t n, Expr granulesA, Expr granulesB, const Facts& facts) {
  if (n == 1 || granulesA == granulesB) return true;
  return facts.provablyDivides(n, granulesA) && facts.provablyDivides(n, granulesB);
}

namespace {

Status validateDim(const DimSharding& d, Expr dim, const std::string& where, const Facts& facts) {
  if (d.factors.empty()) return Status();
  Expr extent = 1;
  for (const DimSplit& split : d.factors) {
    extent *= split.extent;
    if (split.axes.empty()) continue;
    bool divides = split.extent.dividedBy(split.granules).has_value();
    if (auto granules = split.granules.constant(); granules && *granules > 0)
      divides |= facts.provablyDivides(*granules, split.extent);
    if (!divides || facts.upperBound(split.granules) < 1)
      return userError(where + "the granules " + split.granules.str() + " do not divide the size " +
                       split.extent.str() + " for certain; give a number of granules that does, or bound the symbols");
  }
  if (!facts.provablyEqual(extent, dim))
    return userError(where + "the factors multiply to " + extent.str() + ", and the dim is " + dim.str());
  return Status();
}

}  // namespace

Sharding canonical(const Sharding& s, llvm::ArrayRef<Expr> dims, const Facts& facts) {
  assert(s.dims.size() == dims.size());
  (void)dims;
  Sharding result;
  for (const DimSharding& d : s.dims) result.dims.push_back(canonical(d, facts));
  // A value is partial over a set of axes: their order says nothing.
  result.partial = s.partial;
  std::sort(result.partial.begin(), result.partial.end());
  result.partial = canonical(result.partial);
  result.combiner = result.partial.empty() ? PartialKind::kNone : s.combiner;
  return result;
}

Status validate(const Sharding& s, llvm::ArrayRef<Expr> dims, const Mesh& mesh, const Facts& facts) {
  if (s.dims.size() != dims.size())
    return userError("the sharding has " + std::to_string(s.dims.size()) + " dims, and the tensor " +
                     std::to_string(dims.size()));
  AxisList used;
  auto claim = [&](const AxisList& axes, const std::string& where) {
    for (const SubAxis& sub : axes) {
      assert(sub.axis >= 0 && sub.axis < static_cast<int>(mesh.axes().size()));
      if (overlaps(used, sub))
        return userError(where + "axis " + mesh.str(sub) +
                         " is used twice; an axis may split one dim of a tensor, or be one of its partial axes");
      used.push_back(sub);
    }
    return Status();
  };
  for (size_t i = 0; i < dims.size(); ++i) {
    std::string where = "dim " + std::to_string(i) + ": ";
    SW_RETURN_IF_ERROR(validateDim(s.dims[i], dims[i], where, facts));
    SW_RETURN_IF_ERROR(claim(s.dims[i].axes(), where));
  }
  if (s.partial.empty() != (s.combiner == PartialKind::kNone))
    return internalError("a sharding must have partial axes and a combiner, or neither");
  return claim(s.partial, "partial: ");
}

}  // namespace shardwright
