#include "tests/random/node_makers.h"

namespace shardwright {
namespace {

bool isAny(const GraphValue&) { return true; }
bool hasDims(const GraphValue& v) { return v.rank() >= 1; }

std::string ints(const std::vector<int64_t>& values) {
  std::string text = "[";
  for (int64_t value : values) text += (text.size() > 1 ? "," : "") + std::to_string(value);
  return text + "]";
}

void transpose(GraphBuilder& g) {
  auto x = g.pick([](const GraphValue& v) { return v.rank() >= 2; });
  if (!x) return;
  std::vector<int64_t> perm;
  for (int d = 0; d < x->rank(); ++d) perm.insert(perm.begin() + g.random.below(d + 1), d);
  GraphValue out = *x;
  for (size_t d = 0; d < perm.size(); ++d) out.dims[d] = x->dims[static_cast<size_t>(perm[d])];
  g.add("Transpose<perm=" + ints(perm) + ">", {x->name}, out);
}

// The shape operand of a Reshape that has the dims of `x`: numbers where it can, else copied from x's Shape.
std::string shapeOf(GraphBuilder& g, const std::vector<Expr>& dims, const GraphValue& x) {
  std::vector<int64_t> numbers;
  int numOpen = 0;
  for (size_t d = 0; d < dims.size(); ++d) {
    const bool isKept = d < x.dims.size() && dims[d] == x.dims[d] && dims[d] != Expr(0);
    if (auto size = dims[d].constant(); size && (!isKept || g.random.chance(50)))
      numbers.push_back(*size);
    else if (isKept)
      numbers.push_back(0);
    else
      numbers.push_back(-1), ++numOpen;
  }
  if (numOpen <= 1) return g.addInts(numbers).name;
  // Shape → Gather → Concat; what is no dim of x is a product of its dims.
  GraphValue sizes;
  sizes.dtype = DType::kInt64;
  sizes.bound = 1e4;
  sizes.dims = {x.rank()};
  const std::string shape = g.add("Shape", {x.name}, sizes).name;
  std::vector<std::string> parts;
  sizes.dims = {1};
  for (Expr dim : dims) {
    if (auto size = dim.constant()) {
      parts.push_back(g.addInts({*size}).name);
      continue;
    }
    std::string part;
    Expr rest = dim;
    for (size_t d = 0; d < x.dims.size() && rest != Expr(1); ++d) {
      auto quotient = rest.dividedBy(x.dims[d]);
      if (x.dims[d].isConstant() || !quotient) continue;
      const std::string one = g.add("Gather", {shape, g.addInts({static_cast<int64_t>(d)}).name}, sizes).name;
      part = part.empty() ? one : g.add("Mul", {part, one}, sizes).name;
      rest = *quotient;
    }
    if (!rest.isConstant()) return "";
    if (rest != Expr(1) || part.empty()) {
      const std::string factor = g.addInts({*rest.constant()}).name;
      part = part.empty() ? factor : g.add("Mul", {part, factor}, sizes).name;
    }
    parts.push_back(part);
  }
  sizes.dims = {static_cast<int64_t>(dims.size())};
  return g.add("Concat<axis=0>", parts, sizes).name;
}

void reshapeTo(GraphBuilder& g, const GraphValue& x, const std::vector<Expr>& dims) {
  GraphValue out = x;
  out.dims = dims;
  const std::string shape = shapeOf(g, dims, x);
  if (!shape.empty()) g.add("Reshape", {x.name, shape}, out);
}

void mergeDims(GraphBuilder& g) {
  auto x = g.pick([](const GraphValue& v) { return v.rank() >= 2; });
  if (!x) return;
  const auto first = static_cast<size_t>(g.random.below(x->rank() - 1));
  const auto last = first + 1 + static_cast<size_t>(g.random.below(x->rank() - 1 - static_cast<int64_t>(first)));
  std::vector<Expr> dims(x->dims.begin(), x->dims.begin() + static_cast<std::ptrdiff_t>(first));
  Expr merged = 1;
  for (size_t d = first; d <= last; ++d) merged *= x->dims[d];
  dims.push_back(merged);
  dims.insert(dims.end(), x->dims.begin() + static_cast<std::ptrdiff_t>(last) + 1, x->dims.end());
  reshapeTo(g, *x, dims);
}

std::vector<int64_t> divisors(int64_t n) {
  std::vector<int64_t> found;
  for (int64_t d = 2; d < n; ++d)
    if (n % d == 0) found.push_back(d);
  return found;
}

void splitDim(GraphBuilder& g) {
  auto x = g.pick([](const GraphValue& v) { return v.rank() >= 1 && v.rank() <= 4; });
  if (!x) return;
  std::vector<size_t> dims;
  for (size_t d = 0; d < x->dims.size(); ++d) {
    auto size = x->dims[d].constant();
    if ((size && !divisors(*size).empty()) || (!size && !x->dims[d].isSymbol() && x->dims[d].symbols().size() > 1))
      dims.push_back(d);
  }
  if (dims.empty()) return;
  const size_t d = g.random.of(dims);
  std::vector<Expr> out = x->dims;
  Expr major = 1;
  if (auto size = x->dims[d].constant())
    major = g.random.of(divisors(*size));
  else
    major = Expr::symbol(*x->dims[d].symbols().begin());
  auto minor = x->dims[d].dividedBy(major);
  if (!minor) return;
  if (g.random.chance(50)) std::swap(major, *minor);
  out[d] = major;
  out.insert(out.begin() + static_cast<std::ptrdiff_t>(d) + 1, *minor);
  reshapeTo(g, *x, out);
}

// Dims that have nothing to do with the old ones.
void reshapeAcross(GraphBuilder& g) {
  auto x = g.pick([](const GraphValue& v) { return v.rank() >= 2 && v.size(v.rank() - 1) && v.size(v.rank() - 2); });
  if (!x) return;
  std::vector<Expr> dims(x->dims.begin(), x->dims.end() - 2);
  const int64_t count = *x->size(x->rank() - 1) * *x->size(x->rank() - 2);
  const std::vector<int64_t> all = divisors(count);
  if (all.empty()) return;
  const int64_t major = g.random.of(all);
  dims.insert(dims.end(), {Expr(major), Expr(count / major)});
  reshapeTo(g, *x, dims);
}

void flatten(GraphBuilder& g) {
  auto x = g.pick(isAny);
  if (!x) return;
  const auto axis = g.random.below(x->rank() + 1);
  GraphValue out = *x;
  out.dims = {1, 1};
  for (int d = 0; d < x->rank(); ++d) out.dims[d < axis ? 0 : 1] *= x->dims[static_cast<size_t>(d)];
  g.add("Flatten<axis=" + std::to_string(axis) + ">", {x->name}, out);
}

void unsqueeze(GraphBuilder& g) {
  auto x = g.pick([](const GraphValue& v) { return v.rank() <= 3; });
  if (!x) return;
  const auto axis = g.random.below(x->rank() + 1);
  GraphValue out = *x;
  out.dims.insert(out.dims.begin() + axis, Expr(1));
  g.add("Unsqueeze", {x->name, g.addInts({g.random.chance(50) ? axis : axis - x->rank() - 1}).name}, out);
}

void squeeze(GraphBuilder& g) {
  auto x = g.pick([](const GraphValue& v) { return std::find(v.dims.begin(), v.dims.end(), Expr(1)) != v.dims.end(); });
  if (!x) return;
  const auto axis = std::find(x->dims.begin(), x->dims.end(), Expr(1)) - x->dims.begin();
  GraphValue out = *x;
  out.dims.erase(out.dims.begin() + axis);
  g.add("Squeeze", {x->name, g.addInts({axis}).name}, out);
}

void expand(GraphBuilder& g) {
  auto x = g.pick([](const GraphValue& v) {
    return v.rank() <= 3 && std::find(v.dims.begin(), v.dims.end(), Expr(1)) != v.dims.end();
  });
  if (!x) return;
  GraphValue out = *x;
  std::vector<int64_t> shape;
  for (Expr& dim : out.dims) {
    if (dim == Expr(1)) dim = g.random.of<int64_t>({2, 3, 5});
    shape.push_back(dim.constant().value_or(1));
  }
  if (g.random.chance(30)) {
    out.dims.insert(out.dims.begin(), Expr(3));
    shape.insert(shape.begin(), 3);
  }
  g.add("Expand", {x->name, g.addInts(shape).name}, out);
}

// To the dims of another value, by its Shape.
void expandLike(GraphBuilder& g) {
  auto like = g.pick([](const GraphValue& v) { return v.rank() >= 1 && v.rank() <= 4; });
  if (!like) return;
  auto x = g.pick([&](const GraphValue& v) {
    if (v.rank() > like->rank()) return false;
    for (size_t d = 0; d < v.dims.size(); ++d)
      if (v.dims[d] != Expr(1) && v.dims[d] != like->dims[like->dims.size() - v.dims.size() + d]) return false;
    return true;
  });
  if (!x) return;
  GraphValue shape, out = *x;
  shape.dtype = DType::kInt64;
  shape.dims = {like->rank()};
  shape.bound = 1e4;
  out.dims = like->dims;
  g.add("Expand", {x->name, g.add("Shape", {like->name}, shape).name}, out);
}

void tile(GraphBuilder& g) {
  auto x = g.pick([](const GraphValue& v) { return v.rank() >= 1 && v.rank() <= 3; });
  if (!x) return;
  GraphValue out = *x;
  std::vector<int64_t> repeats;
  for (Expr& dim : out.dims) {
    repeats.push_back(g.random.of<int64_t>({1, 1, 2, 3}));
    dim *= Expr(repeats.back());
  }
  g.add("Tile", {x->name, g.addInts(repeats).name}, out);
}

void concat(GraphBuilder& g) {
  auto x = g.pick(hasDims);
  if (!x) return;
  const auto axis = static_cast<size_t>(g.random.below(x->rank()));
  auto y = g.pick([&](const GraphValue& v) {
    if (v.dtype != x->dtype || v.rank() != x->rank()) return false;
    for (size_t d = 0; d < v.dims.size(); ++d)
      if (d != axis && v.dims[d] != x->dims[d]) return false;
    return true;
  });
  if (!y) return;
  GraphValue out = *x;
  out.dims[axis] += y->dims[axis];
  out.filling = x->filling == y->filling ? x->filling : "int";
  out.bound = std::max(x->bound, y->bound);
  out.error = std::max(x->error, y->error);
  std::vector<std::string> operands = {x->name, y->name};
  if (g.random.chance(25)) {
    operands.push_back(x->name);
    out.dims[axis] += x->dims[axis];
  }
  const int64_t named = g.random.chance(50) ? static_cast<int64_t>(axis) : static_cast<int64_t>(axis) - x->rank();
  g.add("Concat<axis=" + std::to_string(named) + ">", operands, out);
}

void split(GraphBuilder& g) {
  auto x = g.pick([](const GraphValue& v) {
    return std::any_of(v.dims.begin(), v.dims.end(), [](Expr e) { return e.isConstant() && *e.constant() >= 2; });
  });
  if (!x) return;
  size_t axis = 0;
  do axis = static_cast<size_t>(g.random.below(x->rank()));
  while (!x->dims[axis].isConstant() || *x->dims[axis].constant() < 2);
  const int64_t size = *x->dims[axis].constant();
  std::vector<int64_t> sizes;
  const bool isEven = size % 3 == 0 && g.random.chance(50);
  if (isEven)
    sizes = {size / 3, size / 3, size / 3};
  else
    sizes = {size / 2 - (size > 4 ? 1 : 0), size - size / 2 + (size > 4 ? 1 : 0)};
  std::vector<GraphValue> results(sizes.size(), *x);
  for (size_t i = 0; i < sizes.size(); ++i) results[i].dims[axis] = sizes[i];
  const std::string at = "axis=" + std::to_string(axis);
  if (isEven && g.random.chance(60))
    g.addAll("Split<" + at + ",num_outputs=3>", {x->name}, results);
  else
    g.addAll("Split<" + at + ">", {x->name, g.addInts(sizes).name}, results);
}

void slice(GraphBuilder& g) {
  auto x = g.pick(hasDims);
  if (!x) return;
  const auto axis = static_cast<size_t>(g.random.below(x->rank()));
  GraphValue out = *x;
  int64_t start = 0, end = 0, step = 1;
  if (auto size = x->dims[axis].constant()) {
    if (*size < 2) return;
    step = g.random.of<int64_t>({1, 1, 1, 2, 3, -1, -2});
    start = g.random.below(*size - 1);
    end = g.random.between(start + 1, *size);
    out.dims[axis] = (end - start + std::abs(step) - 1) / std::abs(step);
    if (step < 0) {
      std::swap(start, end);  // from the last one down
      start -= 1;
      end = end == 0 ? -*size - 1 : end - 1;
    } else if (end == *size && g.random.chance(50)) {
      end = INT64_MAX;
    } else if (g.random.chance(30)) {
      start -= *size;
    }
  } else {
    // Sizes of symbols are at least 1.
    if (!x->dims[axis].isSymbol()) return;
    switch (g.random.below(3)) {
      case 0:
        start = -1;
        end = INT64_MAX;
        out.dims[axis] = 1;
        break;
      case 1:
        start = INT64_MAX;
        end = INT64_MIN + 1;
        step = -1;
        break;
      default:
        start = 1;
        end = INT64_MAX;
        out.dims[axis] = Expr::max(x->dims[axis] - Expr(1), 0);
        break;
    }
  }
  g.add("Slice",
        {x->name, g.addInts({start}).name, g.addInts({end}).name, g.addInts({static_cast<int64_t>(axis)}).name,
         g.addInts({step}).name},
        out);
}

void pad(GraphBuilder& g) {
  auto x = g.pick([](const GraphValue& v) { return v.isFloat() && v.rank() >= 1; });
  if (!x) return;
  const auto axis = static_cast<size_t>(g.random.below(x->rank()));
  const int64_t before = g.random.below(3), after = g.random.below(3);
  GraphValue out = *x;
  out.dims[axis] += Expr(before + after);
  out.filling = "int";
  out.bound = std::max(out.bound, 4.0);
  std::vector<int64_t> pads(static_cast<size_t>(2 * x->rank()));
  pads[axis] = before;
  pads[axis + x->dims.size()] = after;
  g.add("Pad", {x->name, g.addInts(pads).name, g.addWeight({}, DType::kFloat32, "values 4").name}, out);
}

void depthToSpace(GraphBuilder& g) {
  auto x = g.pick([](const GraphValue& v) { return v.isFloat() && v.rank() == 4 && v.size(1) && *v.size(1) % 4 == 0; });
  if (!x) return;
  GraphValue out = *x;
  out.dims = {x->dims[0], *x->size(1) / 4, x->dims[2] * Expr(2), x->dims[3] * Expr(2)};
  g.add(g.random.chance(50) ? "DepthToSpace<blocksize=2>" : "DepthToSpace<blocksize=2,mode=\"CRD\">", {x->name}, out);
}

}  // namespace

std::vector<NodeMaker> shapeMakers() {
  return {transpose, transpose, mergeDims, mergeDims, splitDim,   splitDim,    reshapeAcross,
          flatten,   unsqueeze, squeeze,   expand,    expandLike, tile,        concat,
          concat,    split,     slice,     slice,     pad,        depthToSpace};
}

}  // namespace shardwright
