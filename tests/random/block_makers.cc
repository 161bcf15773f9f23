// The structures of several nodes that models are made of, as exporters write them.
#include "tests/random/node_makers.h"

namespace shardwright {
namespace {

bool isSequence(const GraphValue& v) { return v.isFloat() && v.rank() == 3 && v.size(2) && *v.size(2) % 2 == 0; }

// A value of [batch, positions, 12 or 8], rather one of the graph.
GraphValue sequence(GraphBuilder& g) {
  if (auto x = g.pick(isSequence); x && g.random.chance(70)) return g.tame(*x, 8);
  const Expr batch = g.random.chance(60) ? Expr::symbol("n") : Expr(3);
  const Expr positions = g.random.chance(60) ? Expr::symbol("m") : Expr(g.random.of<int64_t>({5, 6}));
  return g.addInput({batch, positions, g.random.of<int64_t>({8, 12})});
}

// x·w, with what remains of the numbers after division, so that sums stay exact.
GraphValue project(GraphBuilder& g, const GraphValue& x, const Expr& width, double bound = 8) {
  const GraphValue in = g.tame(x, 50);
  if (in.name.empty()) return in;
  const GraphValue w = g.addWeight({in.dims.back(), width});
  GraphValue out = in;
  out.dims.back() = width;
  out.filling = "int";
  const auto depth = static_cast<double>(*in.dims.back().constant());
  out.bound = in.bound * w.bound * depth;
  out.error = in.error * w.bound * depth;
  out = g.add("MatMul", {in.name, w.name}, out);
  return out.name.empty() ? out : g.tame(out, bound);
}

GraphValue transposed(GraphBuilder& g, const GraphValue& x, const std::vector<int64_t>& perm) {
  GraphValue out = x;
  std::string text;
  for (size_t d = 0; d < perm.size(); ++d) {
    out.dims[d] = x.dims[static_cast<size_t>(perm[d])];
    text += (d ? "," : "") + std::to_string(perm[d]);
  }
  return x.name.empty() ? out : g.add("Transpose<perm=[" + text + "]>", {x.name}, out);
}

GraphValue reshaped(GraphBuilder& g, const GraphValue& x, const std::vector<Expr>& dims,
                    const std::vector<int64_t>& shape) {
  GraphValue out = x;
  out.dims = dims;
  return x.name.empty() ? out : g.add("Reshape", {x.name, g.addInts(shape).name}, out);
}

// [batch, positions, heads·size] to [batch, heads, positions, size].
GraphValue heads(GraphBuilder& g, const GraphValue& x, int64_t count) {
  const Expr size = *x.dims[2].dividedBy(Expr(count));
  return transposed(g, reshaped(g, x, {x.dims[0], x.dims[1], Expr(count), size}, {0, 0, count, *size.constant()}),
                    {0, 2, 1, 3});
}

// The scores of positions after the query's become -1000.
GraphValue masked(GraphBuilder& g, const GraphValue& scores) {
  GraphValue ones = scores, visible = scores, out = scores;
  GraphValue shape;
  shape.dtype = DType::kInt64;
  shape.dims = {4};
  const std::string sizes = g.add("Shape", {scores.name}, shape).name;
  shape.dims = {2};
  const std::string last = g.add("Gather", {sizes, g.addInts({2, 3}).name}, shape).name;
  ones.dims = {scores.dims[2], scores.dims[3]};
  ones.bound = 1;
  const GraphValue one = g.addWeight({}, DType::kFloat32, "values 1");
  const std::string square = g.add("Expand", {one.name, last}, ones).name;
  const std::string low = g.add("Trilu<upper=0>", {square}, ones).name;
  visible.dims = ones.dims;
  visible.dtype = DType::kBool;
  visible.filling = "bool";
  const std::string isVisible = g.add("Cast<to=9>", {low}, visible).name;
  out.bound = 1000;
  return g.add("Where", {isVisible, scores.name, g.addWeight({}, DType::kFloat32, "values -1000").name}, out);
}

GraphValue softmax(GraphBuilder& g, const GraphValue& x) {
  GraphValue out = x;
  out.filling = "unit";
  out.bound = 1;
  out.error = 2 * x.error + 2e-6;
  return x.name.empty() ? out : g.add("Softmax<axis=-1>", {x.name}, out);
}

GraphValue product(GraphBuilder& g, const GraphValue& a, const GraphValue& b) {
  GraphValue out = a;
  out.dims.back() = b.dims.back();
  const auto depth = static_cast<double>(g.largest(a.dims.back()));
  out.bound = depth * a.bound * b.bound;
  out.error = depth * (a.bound * b.error + b.bound * a.error) + (a.error + b.error > 0 ? 1e-6 * out.bound : 0);
  out.filling = "int";
  if (a.name.empty() || b.name.empty()) {
    out.name.clear();
    return out;
  }
  return g.add("MatMul", {a.name, b.name}, out);
}

// Multi-head attention in primitives: three projections or one that is split, perhaps a causal mask, perhaps older keys and values.
void attention(GraphBuilder& g) {
  const GraphValue x = sequence(g);
  if (x.name.empty()) return;
  const int64_t width = *x.size(2), count = width % 3 == 0 && g.random.chance(50) ? 3 : g.random.of<int64_t>({2, 4});
  if (width % count != 0) return;
  GraphValue q, k, v;
  if (g.random.chance(40)) {
    const GraphValue all = project(g, x, Expr(3 * width));
    if (all.name.empty()) return;
    GraphValue part = all;
    part.dims[2] = width;
    const auto parts = g.addAll("Split<axis=2,num_outputs=3>", {all.name}, {part, part, part});
    q = parts[0], k = parts[1], v = parts[2];
  } else {
    q = project(g, x, x.dims[2]), k = project(g, x, x.dims[2]), v = project(g, x, x.dims[2]);
  }
  q = heads(g, q, count), k = heads(g, k, count), v = heads(g, v, count);
  if (q.name.empty() || k.name.empty() || v.name.empty()) return;
  const bool hasPast = g.random.chance(30);
  if (hasPast) {
    auto extended = [&](GraphValue now) {
      std::vector<Expr> dims = now.dims;
      dims[2] = Expr::symbol("p");
      const GraphValue past = g.addInput(dims);
      now.dims[2] += past.dims[2];
      now.bound = std::max(now.bound, past.bound);
      now.filling = "int";
      return g.add("Concat<axis=2>", {past.name, g.tame(now, now.bound).name}, now);
    };
    k = extended(k), v = extended(v);
    if (k.name.empty() || v.name.empty()) return;
  }
  GraphValue scores = product(g, q, transposed(g, k, {0, 1, 3, 2}));
  if (scores.name.empty()) return;
  scores = g.tame(scores, 8);
  if (!hasPast && g.random.chance(50)) scores = masked(g, scores);
  const GraphValue mixed = transposed(g, product(g, softmax(g, scores), v), {0, 2, 1, 3});
  const GraphValue flat = reshaped(g, mixed, x.dims, {0, 0, width});
  if (!flat.name.empty()) project(g, flat, x.dims[2], 100);
}

// Keys and values of fewer heads, each repeated for a group of queries, or the op that says so.
void groupedAttention(GraphBuilder& g) {
  const GraphValue x = sequence(g);
  if (x.name.empty() || *x.size(2) % 4 != 0) return;
  const int64_t size = *x.size(2) / 4;
  GraphValue q = heads(g, project(g, x, x.dims[2]), 4), k = heads(g, project(g, x, Expr(2 * size)), 2),
             v = heads(g, project(g, x, Expr(2 * size)), 2);
  if (q.name.empty() || k.name.empty() || v.name.empty()) return;
  auto repeated = [&](const GraphValue& now) {
    GraphValue wide = now;
    wide.dims.insert(wide.dims.begin() + 2, Expr(1));
    wide = g.add("Unsqueeze", {now.name, g.addInts({2}).name}, wide);
    wide.dims[2] = 2;  // the caller has seen that there is room
    wide = g.add("Expand", {wide.name, g.addInts({1, 1, 2, 1, 1}).name}, wide);
    GraphValue out = now;
    out.dims[1] = 4;
    return g.add("Reshape", {wide.name, g.addInts({0, 4, -1, size}).name}, out);
  };
  if (g.largestCount(k.dims) > 1000) return;
  k = repeated(k), v = repeated(v);
  const GraphValue scores = product(g, q, transposed(g, k, {0, 1, 3, 2}));
  if (scores.name.empty()) return;
  const GraphValue mixed = transposed(g, product(g, softmax(g, g.tame(scores, 8)), v), {0, 2, 1, 3});
  reshaped(g, mixed, x.dims, {0, 0, 4 * size});
}

// (f(x·a) * x·b)·c + x
void gatedProduct(GraphBuilder& g) {
  const GraphValue x = sequence(g);
  if (x.name.empty()) return;
  const Expr wide = g.random.of<int64_t>({6, 10, 33, 40});
  GraphValue gate = project(g, x, wide), value = project(g, x, wide);
  if (gate.name.empty() || value.name.empty()) return;
  GraphValue active = gate;
  const bool isSmooth = g.random.chance(50);
  if (isSmooth) active.error = 1e-5;
  active = g.add(isSmooth ? "Sigmoid" : "Relu", {gate.name}, active);
  GraphValue both = value;
  both.bound = active.bound * value.bound;
  both.error = active.error * value.bound + value.error * active.bound;
  both = g.add("Mul", {active.name, value.name}, both);
  if (both.name.empty()) return;
  const GraphValue down = project(g, both, x.dims[2], 1000);
  if (down.name.empty()) return;
  GraphValue sum = down;
  sum.bound += x.bound;
  sum.error += x.error;
  g.add("Add", {down.name, x.name}, sum);
}

// Rows of a table, and logits by the same table.
void embedding(GraphBuilder& g) {
  const GraphValue ids =
      g.addInput({Expr::symbol("n"), g.random.chance(50) ? Expr::symbol("m") : Expr(5)}, DType::kInt64, "below 11");
  const GraphValue table = g.addWeight({11, g.random.of<int64_t>({8, 12})});
  GraphValue out = table;
  out.dims = {ids.dims[0], ids.dims[1], table.dims[1]};
  out = g.add("Gather", {table.name, ids.name}, out);
  if (out.name.empty() || !g.random.chance(40)) return;
  GraphValue turned = table;
  std::swap(turned.dims[0], turned.dims[1]);
  turned = g.add("Transpose<perm=[1,0]>", {table.name}, turned);
  product(g, out, turned);
}

// The sum of the two best of four experts' products, weighted.
void experts(GraphBuilder& g) {
  const GraphValue x = sequence(g);
  if (x.name.empty()) return;
  const GraphValue routes = project(g, x, Expr(4), 13);
  if (routes.name.empty()) return;
  GraphValue best = routes, places = routes;
  best.dims[2] = places.dims[2] = 2;
  places.dtype = DType::kInt64;
  places.filling = "below 4";
  places.bound = 4;
  if (!routes.isExact()) return;
  const auto top = g.addAll("TopK<axis=2>", {routes.name, g.addInts({2}).name}, {best, places});
  GraphValue chosen = places;
  chosen.dtype = DType::kFloat32;
  chosen.bound = 1;
  chosen.dims.insert(chosen.dims.begin() + 3, Expr(4));
  chosen.filling = "int";
  chosen = g.add("OneHot<axis=3>",
                 {top[1].name, g.addInt(4).name, g.addWeight({2}, DType::kFloat32, "values 0 1").name}, chosen);
  if (chosen.name.empty()) return;
  GraphValue mask = chosen;
  mask.dims.erase(mask.dims.begin() + 2);
  mask = g.add("ReduceSum<keepdims=0>", {chosen.name, g.addInts({2}).name}, mask);
  // [n, m, 4, 1] · ([n, m, 1, 1, w] · [4, w, v])
  GraphValue spread = x;
  spread.dims = {x.dims[0], x.dims[1], Expr(1), Expr(1), x.dims[2]};
  spread = g.add("Unsqueeze", {x.name, g.addInts({2, 3}).name}, spread);
  const GraphValue weight = g.addWeight({4, x.dims[2], 6});
  GraphValue made = spread;
  made.dims[2] = 4;
  made.dims[4] = 6;
  made.bound = x.bound * 6 * static_cast<double>(*x.size(2));
  made.error = x.error * 6 * static_cast<double>(*x.size(2));
  made = g.add("MatMul", {spread.name, weight.name}, made);
  if (made.name.empty()) return;
  GraphValue gates = mask, out = made;
  gates.dims.insert(gates.dims.end(), {Expr(1), Expr(1)});
  if (mask.name.empty()) return;
  gates = g.add("Unsqueeze", {mask.name, g.addInts({3, 4}).name}, gates);
  out = g.add("Mul", {made.name, gates.name}, out);
  if (out.name.empty()) return;
  GraphValue sum = out;
  sum.dims = {x.dims[0], x.dims[1], Expr(1), Expr(6)};
  sum.bound *= 4;
  sum.error *= 4;
  g.add("ReduceSum<keepdims=0>", {out.name, g.addInts({2}).name}, sum);
}

// A few ops in float16, whose whole numbers are exact up to 2048.
void half(GraphBuilder& g) {
  auto x =
      g.pick([](const GraphValue& v) { return v.isFloat() && v.isExact() && v.rank() >= 1 && v.size(v.rank() - 1); });
  if (!x) return;
  GraphValue narrow = g.tame(*x, 6);
  if (narrow.name.empty()) return;
  narrow.dtype = DType::kFloat16;
  narrow = g.add("Cast<to=10>", {narrow.name}, narrow);
  if (narrow.name.empty()) return;
  const GraphValue w = g.addWeight({narrow.dims.back(), 5}, DType::kFloat16);
  GraphValue out = narrow;
  out.dims.back() = 5;
  out.bound = narrow.bound * 6 * static_cast<double>(*narrow.dims.back().constant());
  if (out.bound > 2048) return;
  out = g.add("MatMul", {narrow.name, w.name}, out);
  if (out.name.empty()) return;
  if (g.random.chance(50) && out.rank() > 1 && out.bound * 2 <= 2048) {
    out.bound *= 2;
    out = g.add("Add", {out.name, out.name}, out);
  }
  out.dtype = DType::kFloat32;
  g.add("Cast<to=1>", {out.name}, out);
}

}  // namespace

std::vector<NodeMaker> blockMakers() {
  return {attention, attention, groupedAttention, gatedProduct, embedding, experts, half};
}

}  // namespace shardwright
