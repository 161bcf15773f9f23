#include <cmath>

#include "tests/random/node_makers.h"

namespace shardwright {
namespace {

bool isFloat(const GraphValue& v) { return v.isFloat(); }
bool isInteger(const GraphValue& v) { return v.dtype == DType::kInt64; }
bool isBool(const GraphValue& v) { return v.dtype == DType::kBool; }

// Whole numbers stay whole numbers.
void exactUnary(GraphBuilder& g) {
  auto x = g.pick(isFloat);
  if (!x) return;
  const std::string op = g.random.of<std::string>({"Neg", "Relu", "Abs", "Identity", "LeakyRelu<alpha=2.0>"});
  x->bound *= op[0] == 'L' ? 2 : 1;
  x->error *= op[0] == 'L' ? 2 : 1;
  g.add(op, {x->name}, *x);
}

// Functions that jump, of whole numbers only.
void steps(GraphBuilder& g) {
  auto x = g.pick([](const GraphValue& v) { return v.isFloat() && v.isExact(); });
  if (!x) return;
  g.add(g.random.of<std::string>({"Sign", "Floor", "Round", "Ceil"}), {x->name}, *x);
}

void smoothUnary(GraphBuilder& g) {
  auto x = g.pick(isFloat);
  if (!x) return;
  GraphValue in = g.tame(*x, 8), out = in;
  if (in.name.empty()) return;
  const std::string op =
      g.random.of<std::string>({"Sigmoid", "Tanh", "Gelu", "Erf", "Sin", "Softplus", "Exp", "Softsign"});
  out.bound = op == "Exp" ? std::exp(in.bound) : op == "Gelu" || op == "Softplus" ? in.bound + 1 : 1;
  out.error = (in.error * 1.2 + 1e-6) * (op == "Exp" ? out.bound : 1) + 1e-6 * out.bound;
  g.add(op, {in.name}, out);
}

// What the dims of two broadcast values become, if they do.
std::optional<std::vector<Expr>> broadcastDims(const std::vector<Expr>& a, const std::vector<Expr>& b) {
  std::vector<Expr> dims = a.size() > b.size() ? a : b;
  const std::vector<Expr>& shorter = a.size() > b.size() ? b : a;
  const size_t skip = dims.size() - shorter.size();
  for (size_t d = 0; d < shorter.size(); ++d) {
    if (dims[skip + d] == Expr(1))
      dims[skip + d] = shorter[d];
    else if (shorter[d] != dims[skip + d] && shorter[d] != Expr(1))
      return std::nullopt;
  }
  return dims;
}

// Another value that broadcasts with it, of the graph or a new weight.
GraphValue partner(GraphBuilder& g, const GraphValue& x) {
  if (g.random.chance(60))
    if (auto y = g.pick([&](const GraphValue& v) {
          const auto dims = broadcastDims(x.dims, v.dims);
          return v.dtype == x.dtype && dims && g.largestCount(*dims) <= GraphBuilder::kMaxCount;
        }))
      return *y;
  std::vector<Expr> dims;
  for (int d = static_cast<int>(g.random.below(x.rank() + 1)); d < x.rank(); ++d)
    dims.push_back(x.size(d) && g.random.chance(75) ? *x.size(d) : Expr(1));
  return g.addWeight(dims, x.dtype, x.dtype == DType::kBool ? "bool" : "int");
}

void binary(GraphBuilder& g) {
  auto x = g.pick([](const GraphValue& v) { return v.isFloat() || isInteger(v); });
  if (!x) return;
  const std::string op = g.random.of<std::string>({"Add", "Add", "Sub", "Mul", "Mul", "Max", "Min", "Sum"});
  GraphValue a = g.tame(*x, op == "Mul" ? 1000 : 1e6), b = partner(g, a);
  if (isInteger(a) && (op == "Sum" || a.bound * b.bound > 1e12)) return;
  b = g.tame(b, op == "Mul" ? 1000 : 1e6);
  if (a.name.empty() || b.name.empty()) return;
  GraphValue out = a;
  out.dims = *broadcastDims(a.dims, b.dims);
  out.filling = "int";
  const bool isProduct = op == "Mul";
  out.bound = isProduct ? a.bound * b.bound : a.bound + b.bound;
  out.error = isProduct ? a.bound * b.error + b.bound * a.error : a.error + b.error;
  if (out.error > 0) out.error += 1e-7 * out.bound;
  if (g.random.chance(50)) std::swap(a, b);
  g.add(op, {a.name, b.name}, out);
}

void divide(GraphBuilder& g) {
  auto x = g.pick(isFloat);
  if (!x) return;
  const bool isPlain = g.random.chance(50);
  GraphValue by = g.addWeight(
      isPlain || x->rank() == 0 ? std::vector<Expr>{} : std::vector<Expr>{x->size(x->rank() - 1).value_or(1)},
      DType::kFloat32, "positive");
  x->error += 2e-7 * x->bound;
  g.add("Div", {x->name, by.name}, *x);
}

void compare(GraphBuilder& g) {
  auto x = g.pick([](const GraphValue& v) { return (v.isFloat() || isInteger(v)) && v.isExact(); });
  if (!x) return;
  GraphValue y = partner(g, *x), out = *x;
  if (!y.isExact()) return;
  out.dims = *broadcastDims(x->dims, y.dims);
  out.dtype = DType::kBool;
  out.filling = "bool";
  out.bound = 1;
  g.add(g.random.of<std::string>({"Less", "Greater", "Equal", "LessOrEqual", "GreaterOrEqual"}), {x->name, y.name},
        out);
}

void logic(GraphBuilder& g) {
  auto x = g.pick(isBool);
  if (!x) return;
  if (g.random.chance(30)) {
    g.add("Not", {x->name}, *x);
    return;
  }
  GraphValue y = partner(g, *x);
  GraphValue out = *x;
  out.dims = *broadcastDims(x->dims, y.dims);
  g.add(g.random.of<std::string>({"And", "Or", "Xor"}), {x->name, y.name}, out);
}

void where(GraphBuilder& g) {
  auto condition = g.pick(isBool);
  if (!condition) return;
  auto fits = [&](const GraphValue& v) { return v.isFloat() && broadcastDims(condition->dims, v.dims).has_value(); };
  auto a = g.pick(fits);
  if (!a) return;
  GraphValue out = *a;
  out.dims = *broadcastDims(condition->dims, a->dims);
  GraphValue b = partner(g, out);
  auto dims = broadcastDims(out.dims, b.dims);
  if (!dims || !b.isFloat()) return;
  out.dims = *dims;
  out.filling = "int";
  out.bound = std::max(a->bound, b.bound);
  out.error = std::max(a->error, b.error);
  g.add("Where", {condition->name, a->name, b.name}, out);
}

void cast(GraphBuilder& g) {
  auto x = g.pick([](const GraphValue& v) { return v.isExact() && v.bound < 1e6; });
  if (!x) return;
  const bool toFloat = !x->isFloat();
  x->dtype = toFloat ? DType::kFloat32 : DType::kInt64;
  x->filling = toFloat || x->filling.empty() ? "int" : x->filling;
  g.add(toFloat ? "Cast<to=1>" : "Cast<to=7>", {x->name}, *x);
}

void clip(GraphBuilder& g) {
  auto x = g.pick(isFloat);
  if (!x) return;
  const bool hasMax = g.random.chance(60);
  std::vector<std::string> operands = {x->name, g.addWeight({}, DType::kFloat32, "values -3").name};
  if (hasMax) operands.push_back(g.addWeight({}, DType::kFloat32, "values 5").name);
  x->bound = std::max(x->bound, 5.0);
  g.add("Clip", operands, *x);
}

}  // namespace

std::vector<NodeMaker> elementwiseMakers() {
  return {exactUnary, exactUnary, steps,   smoothUnary, smoothUnary, binary, binary, binary,
          binary,     divide,     compare, logic,       where,       where,  cast,   clip};
}

}  // namespace shardwright
