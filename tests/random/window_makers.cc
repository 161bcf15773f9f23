#include "tests/random/node_makers.h"

namespace shardwright {
namespace {

bool isImage(const GraphValue& v) { return v.isFloat() && v.rank() == 4 && v.size(1) && v.size(2) && v.size(3); }

// Images are rare in a graph, so one may come from outside.
std::optional<GraphValue> image(GraphBuilder& g) {
  auto x = g.pick(isImage);
  if (x || g.random.chance(60)) return x;
  return g.addInput({Expr::symbol("n"), g.random.of<int64_t>({3, 4, 6}), 7, g.random.of<int64_t>({5, 6})});
}

struct Window {
  int64_t kernel[2], stride[2], before[2], after[2];
  std::string attributes() const {
    auto pair = [](const int64_t* v) { return std::to_string(v[0]) + "," + std::to_string(v[1]); };
    return "kernel_shape=[" + pair(kernel) + "],strides=[" + pair(stride) + "],pads=[" + pair(before) + "," +
           pair(after) + "]";
  }
};

// Sets the spatial dims of `out`; nothing where the window is larger than the image.
std::optional<Window> window(GraphBuilder& g, GraphValue& out) {
  Window w;
  for (int d = 0; d < 2; ++d) {
    const int64_t size = *out.size(2 + d);
    w.kernel[d] = g.random.between(1, 3);
    w.stride[d] = g.random.of<int64_t>({1, 1, 2});
    w.before[d] = g.random.below(w.kernel[d]);
    w.after[d] = g.random.below(w.kernel[d]);
    const int64_t room = size + w.before[d] + w.after[d] - w.kernel[d];
    if (room < 0) return std::nullopt;
    out.dims[static_cast<size_t>(2 + d)] = room / w.stride[d] + 1;
  }
  return w;
}

// What follows convolutions in models: an activation, and pixels that become positions or one row.
void activateAndFlatten(GraphBuilder& g, GraphValue x) {
  if (x.name.empty()) return;
  if (g.random.chance(50)) x = g.add("Relu", {x.name}, x);
  if (x.name.empty() || g.random.chance(50)) return;
  GraphValue flat = x;
  const Expr pixels = x.dims[2] * x.dims[3];
  if (g.random.chance(50)) {
    flat.dims = {x.dims[0], x.dims[1], pixels};
    g.add("Reshape", {x.name, g.addInts({0, 0, -1}).name}, flat);
  } else {
    flat.dims = {x.dims[0], x.dims[1] * pixels};
    g.add("Flatten", {x.name}, flat);
  }
}

void conv(GraphBuilder& g) {
  auto x = image(g);
  if (!x) return;
  const GraphValue in = g.tame(*x, 300);
  if (in.name.empty()) return;
  GraphValue out = in;
  const auto w = window(g, out);
  if (!w) return;
  const int64_t channels = *in.size(1);
  const int64_t groups = g.random.chance(60) ? 1 : channels % 2 == 0 && g.random.chance(50) ? 2 : channels;
  out.dims[1] = groups * g.random.of<int64_t>({1, 2, 5});
  const GraphValue weight = g.addWeight({out.dims[1], channels / groups, w->kernel[0], w->kernel[1]});
  std::vector<std::string> operands = {in.name, weight.name};
  if (g.random.chance(50)) operands.push_back(g.addWeight({out.dims[1]}).name);
  const auto depth = static_cast<double>(channels / groups * w->kernel[0] * w->kernel[1]);
  out.bound = in.bound * 6 * depth + 6;
  out.error = in.error * 6 * depth;
  if (out.error > 0) out.error += 1e-6 * out.bound;
  out.filling = "int";
  activateAndFlatten(g, g.add("Conv<" + w->attributes() + ",group=" + std::to_string(groups) + ">", operands, out));
}

void pool(GraphBuilder& g) {
  auto x = image(g);
  if (!x) return;
  GraphValue out = *x;
  const auto w = window(g, out);
  if (!w) return;
  const bool isMax = g.random.chance(50);
  if (!isMax) out.error += 1e-6 * out.bound;
  g.add((isMax ? "MaxPool<" : "AveragePool<") + w->attributes() + ">", {x->name}, out);
}

void globalPool(GraphBuilder& g) {
  auto x = image(g);
  if (!x) return;
  GraphValue out = *x;
  out.dims[2] = out.dims[3] = 1;
  const bool isMax = g.random.chance(50);
  if (!isMax) out.error += 1e-6 * out.bound;
  g.add(isMax ? "GlobalMaxPool" : "GlobalAveragePool", {x->name}, out);
}

}  // namespace

std::vector<NodeMaker> windowMakers() { return {conv, conv, pool, globalPool}; }

}  // namespace shardwright
