// What a rank holds under a sharding: parts, local sizes, and the oracle of flat indices.
#include <algorithm>

#include "compiler/dist/sharding.h"

namespace shardwright {
namespace {

// extent/granules, which is whole by the invariant of DimSplit even where that is known only from facts.
Expr granuleSize(Expr extent, Expr granules) {
  if (auto quotient = extent.dividedBy(granules)) return *quotient;
  return Expr::floorDiv(extent, granules);
}

int64_t value(Expr e) {
  assert(e.isConstant() && "the oracle needs constant sizes");
  return *e.constant();
}

// The digit of `list` at constant coordinates, in integers alone.
int64_t position(llvm::ArrayRef<SubAxis> list, const Mesh& mesh, const std::vector<int64_t>& coordinates) {
  int64_t result = 0;
  for (const SubAxis& sub : list) {
    int64_t post = mesh.axes()[sub.axis].size / (sub.pre * sub.size);
    result = result * sub.size + coordinates[sub.axis] / post % sub.size;
  }
  return result;
}

// The indices of one dim that are held, in local order.
std::vector<int64_t> dimIndices(const DimSharding& d, int64_t dim, const Mesh& mesh,
                                const std::vector<int64_t>& coordinates) {
  DimSharding whole;
  whole.factors.push_back({dim, {}, 1});
  std::vector<int64_t> indices = {0};
  for (const DimSplit& split : (d.factors.empty() ? whole : d).factors) {
    int64_t extent = value(split.extent), begin = 0, end = extent;
    if (!split.axes.empty()) {
      int64_t granules = value(split.granules), n = sizeOf(split.axes), i = position(split.axes, mesh, coordinates);
      begin = i * granules / n * (extent / granules);
      end = (i + 1) * granules / n * (extent / granules);
    }
    std::vector<int64_t> next;
    for (int64_t outer : indices)
      for (int64_t digit = begin; digit < end; ++digit) next.push_back(outer * extent + digit);
    indices = std::move(next);
  }
  return indices;
}

}  // namespace

Part partOf(Expr extent, Expr granules, int64_t n, Expr index) {
  Expr size = granuleSize(extent, granules);
  Expr begin = Expr::floorDiv(index * granules, n);
  Expr end = Expr::floorDiv((index + Expr(1)) * granules, n);
  return {begin * size, (end - begin) * size};
}

Part partOf(const DimSplit& split, const Mesh& mesh) {
  if (split.axes.empty()) return {0, split.extent};
  return partOf(split.extent, split.granules, sizeOf(split.axes), mesh.coordinate(split.axes));
}

Exprs localFactors(const DimSharding& d, Expr dim, const Mesh& mesh) {
  if (d.factors.empty()) return {dim};
  Exprs lengths;
  for (const DimSplit& split : d.factors) lengths.push_back(partOf(split, mesh).length);
  return lengths;
}

Exprs localDims(const Sharding& s, llvm::ArrayRef<Expr> dims, const Mesh& mesh) {
  assert(s.dims.size() == dims.size());
  Exprs local;
  for (size_t i = 0; i < dims.size(); ++i) {
    Expr size = 1;
    for (Expr length : localFactors(s.dims[i], dims[i], mesh)) size *= length;
    local.push_back(size);
  }
  return local;
}

std::vector<WindowFactor> windowOf(const Sharding& s, llvm::ArrayRef<Expr> dims, const Mesh& mesh) {
  std::vector<WindowFactor> window;
  for (int i = 0; i < static_cast<int>(dims.size()); ++i) {
    if (s.dims[i].factors.empty()) window.push_back({i, dims[i], {0, dims[i]}});
    for (const DimSplit& split : s.dims[i].factors) window.push_back({i, split.extent, partOf(split, mesh)});
  }
  return window;
}

std::vector<int64_t> indexSet(const Sharding& s, const std::vector<int64_t>& dims, const Mesh& mesh,
                              const std::vector<int64_t>& coordinates) {
  std::vector<int64_t> flat = {0};
  for (size_t i = 0; i < dims.size(); ++i) {
    std::vector<int64_t> held = dimIndices(s.dims[i], dims[i], mesh, coordinates), next;
    for (int64_t outer : flat)
      for (int64_t index : held) next.push_back(outer * dims[i] + index);
    flat = std::move(next);
  }
  return flat;
}

// Factors are split by axes of their own, so some rank has the longest part of every one: ceil(G/n) granules.
int64_t maxLocalCount(const Sharding& s, llvm::ArrayRef<Expr> dims, const Mesh&, const Bindings& sizes) {
  auto evaluated = [&](Expr e) {
    StatusOr<int64_t> v = e.evaluate(sizes);
    assert(v.ok() && "a size is not bound");
    return v.ok() ? *v : 0;
  };
  int64_t count = 1;
  for (size_t i = 0; i < dims.size(); ++i) {
    if (s.dims[i].factors.empty()) count *= evaluated(dims[i]);
    for (const DimSplit& split : s.dims[i].factors) {
      int64_t extent = evaluated(split.extent);
      if (!split.axes.empty() && extent > 0) {
        int64_t granules = std::max<int64_t>(evaluated(split.granules), 1), n = sizeOf(split.axes);
        extent = (granules + n - 1) / n * (extent / granules);
      }
      count *= extent;
    }
  }
  return count;
}

}  // namespace shardwright
