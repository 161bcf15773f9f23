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

bool operator==(const Sharding& a, const Sharding& b) { return compareShardings(a, b) == 0; }
bool operator<(const Sharding& a, const Sharding& b) { return compareShardings(a, b) < 0; }

}  // namespace shardwright
