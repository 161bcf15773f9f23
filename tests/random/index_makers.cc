#include "tests/random/node_makers.h"

namespace shardwright {
namespace {

// An axis with a size that is a number; -1 if there is none.
int sizedAxis(GraphBuilder& g, const GraphValue& x) {
  std::vector<int> axes;
  for (int d = 0; d < x.rank(); ++d)
    if (x.size(d)) axes.push_back(d);
  return axes.empty() ? -1 : g.random.of(axes);
}
bool hasSizedAxis(const GraphValue& v) {
  return std::any_of(v.dims.begin(), v.dims.end(), [](Expr e) { return e.isConstant(); });
}
std::string below(int64_t n) { return "below " + std::to_string(n); }

// Indices of the graph that fit, or new ones, as input or constant.
GraphValue indices(GraphBuilder& g, int64_t size, std::vector<Expr> dims, bool mayBeNarrow = true) {
  const bool isConstant = std::all_of(dims.begin(), dims.end(), [](Expr e) { return e.isConstant(); });
  const DType type = !mayBeNarrow || g.random.chance(70) ? DType::kInt64 : DType::kInt32;
  if (isConstant && g.random.chance(50)) return g.addWeight(std::move(dims), type, below(size));
  return g.addInput(std::move(dims), type, below(size));
}

void gather(GraphBuilder& g) {
  auto x = g.pick([](const GraphValue& v) { return v.rank() <= 3 && hasSizedAxis(v); });
  if (!x) return;
  const int axis = sizedAxis(g, *x);
  GraphValue out = *x, index;
  auto isIndex = [&](const GraphValue& v) {
    return v.dtype == DType::kInt64 && v.rank() <= 2 && v.filling == below(*x->size(axis));
  };
  if (auto known = g.pick(isIndex); known && g.random.chance(70))
    index = *known;
  else
    index = indices(g, *x->size(axis), g.random.of<std::vector<Expr>>({{}, {3}, {Expr::symbol("m")}, {2, 5}}));
  out.dims.erase(out.dims.begin() + axis);
  out.dims.insert(out.dims.begin() + axis, index.dims.begin(), index.dims.end());
  g.add("Gather<axis=" + std::to_string(axis) + ">", {x->name, index.name}, out);
}

void gatherConstant(GraphBuilder& g) {
  auto x = g.pick([](const GraphValue& v) { return v.rank() >= 1; });
  if (!x) return;
  const auto axis = g.random.below(x->rank());
  GraphValue out = *x;
  out.dims.erase(out.dims.begin() + axis);
  const auto size = x->size(static_cast<int>(axis));
  const int64_t index = size ? g.random.between(-*size, *size - 1) : g.random.of<int64_t>({0, -1});
  g.add("Gather<axis=" + std::to_string(axis) + ">", {x->name, g.addInt(index).name}, out);
}

void gatherElements(GraphBuilder& g) {
  auto x = g.pick([](const GraphValue& v) { return v.rank() >= 1 && hasSizedAxis(v); });
  if (!x) return;
  const int axis = sizedAxis(g, *x);
  GraphValue out = *x;
  out.dims[static_cast<size_t>(axis)] = g.random.of<int64_t>({1, 2, 5});
  const GraphValue index = indices(g, *x->size(axis), out.dims);
  g.add("GatherElements<axis=" + std::to_string(axis) + ">", {x->name, index.name}, out);
}

void gatherNd(GraphBuilder& g) {
  auto x = g.pick([](const GraphValue& v) { return v.rank() >= 2 && v.size(0); });
  if (!x) return;
  GraphValue out = *x;
  const GraphValue index = indices(g, *x->size(0), {5, 1}, /*mayBeNarrow=*/false);
  out.dims[0] = 5;
  g.add("GatherND", {x->name, index.name}, out);
}

void scatterElements(GraphBuilder& g) {
  auto x = g.pick([](const GraphValue& v) { return v.isFloat() && v.rank() >= 1 && hasSizedAxis(v); });
  if (!x) return;
  const auto axis = static_cast<size_t>(sizedAxis(g, *x));
  // One index along the axis, so that no element is written twice.
  std::vector<Expr> dims = x->dims;
  dims[axis] = 1;
  const GraphValue index = indices(g, *x->dims[axis].constant(), dims), update = g.addInput(dims);
  GraphValue out = *x;
  out.bound = std::max(out.bound, 6.0);
  out.filling = "int";
  g.add("ScatterElements<axis=" + std::to_string(axis) + ">", {x->name, index.name, update.name}, out);
}

void scatterNd(GraphBuilder& g) {
  auto x = g.pick([](const GraphValue& v) { return v.isFloat() && v.rank() >= 2 && v.size(0) && *v.size(0) >= 2; });
  if (!x) return;
  std::vector<Expr> dims = x->dims;
  dims[0] = 2;
  const GraphValue index = g.addWeight({2, 1}, DType::kInt64, "values 1 0"), update = g.addInput(dims);
  GraphValue out = *x;
  const bool adds = g.random.chance(50);
  out.bound = adds ? out.bound + 6 : std::max(out.bound, 6.0);
  out.filling = "int";
  g.add(adds ? "ScatterND<reduction=\"add\">" : "ScatterND", {x->name, index.name, update.name}, out);
}

void topK(GraphBuilder& g) {
  auto x = g.pick([](const GraphValue& v) { return v.isFloat() && v.isExact() && hasSizedAxis(v); });
  if (!x) return;
  const int axis = sizedAxis(g, *x);
  const int64_t size = *x->size(axis), k = g.random.between(1, size);
  GraphValue values = *x, places = *x;
  values.dims[static_cast<size_t>(axis)] = places.dims[static_cast<size_t>(axis)] = k;
  places.dtype = DType::kInt64;
  places.filling = below(size);
  places.bound = static_cast<double>(size);
  g.addAll("TopK<axis=" + std::to_string(axis) + ",largest=" + std::to_string(g.random.below(2)) + ">",
           {x->name, g.addInts({k}).name}, {values, places});
}

void argExtreme(GraphBuilder& g) {
  auto x = g.pick([](const GraphValue& v) { return v.isFloat() && v.isExact() && hasSizedAxis(v); });
  if (!x) return;
  const int axis = sizedAxis(g, *x);
  const bool keeps = g.random.chance(50);
  GraphValue out = *x;
  out.dtype = DType::kInt64;
  out.filling = below(*x->size(axis));
  out.bound = static_cast<double>(*x->size(axis));
  out.dims[static_cast<size_t>(axis)] = 1;
  if (!keeps) out.dims.erase(out.dims.begin() + axis);
  g.add(g.random.of<std::string>({"ArgMax", "ArgMin"}) + "<axis=" + std::to_string(axis) +
            ",keepdims=" + std::to_string(keeps) + ">",
        {x->name}, out);
}

void oneHot(GraphBuilder& g) {
  auto x = g.pick([](const GraphValue& v) {
    return v.dtype == DType::kInt64 && v.rank() <= 2 && v.filling.rfind("below ", 0) == 0;
  });
  if (!x) return;
  const int64_t depth = std::stoll(x->filling.substr(6));
  GraphValue out = *x;
  out.dtype = DType::kFloat32;
  out.filling = "int";
  out.bound = 3;
  const auto axis = g.random.below(x->rank() + 1);
  out.dims.insert(out.dims.begin() + axis, Expr(depth));
  g.add("OneHot<axis=" + std::to_string(axis) + ">",
        {x->name, g.addInt(depth).name, g.addWeight({2}, DType::kFloat32, "values 2 3").name}, out);
}

// Positions along a dim that may be a symbol, added to the value.
void positions(GraphBuilder& g) {
  auto x = g.pick([](const GraphValue& v) { return v.isFloat() && v.rank() >= 1; });
  if (!x) return;
  GraphValue sizes, out = *x;
  sizes.dtype = DType::kInt64;
  sizes.bound = 1e4;
  sizes.dims = {x->rank()};
  const std::string shape = g.add("Shape", {x->name}, sizes).name;
  sizes.dims = {};
  const std::string size = g.add("Gather", {shape, g.addInt(x->rank() - 1).name}, sizes).name;
  sizes.dims = {x->dims.back()};
  sizes.bound = static_cast<double>(2 * g.largest(x->dims.back()));
  const std::string end = g.add("Mul", {size, g.addInt(2).name},
                                [&] {
                                  GraphValue scalar = sizes;
                                  scalar.dims = {};
                                  return scalar;
                                }())
                              .name;
  GraphValue range = g.add("Range", {g.addInt(0).name, end, g.addInt(2).name}, sizes);
  range.dtype = DType::kFloat32;
  range.filling = "int";
  const GraphValue floats = g.add("Cast<to=1>", {range.name}, range);
  out.bound += floats.bound;
  if (!floats.name.empty()) g.add("Add", {x->name, floats.name}, out);
}

void trilu(GraphBuilder& g) {
  auto x = g.pick([](const GraphValue& v) { return v.isFloat() && v.rank() >= 2; });
  if (!x) return;
  g.add("Trilu<upper=" + std::to_string(g.random.below(2)) + ">", {x->name, g.addInt(g.random.between(-2, 2)).name},
        *x);
}

}  // namespace

std::vector<NodeMaker> indexMakers() {
  return {gather,    gather, gatherConstant, gatherElements, gatherNd,  scatterElements,
          scatterNd, topK,   argExtreme,     oneHot,         positions, trilu};
}

}  // namespace shardwright
