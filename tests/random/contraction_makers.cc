#include "tests/random/node_makers.h"

namespace shardwright {
namespace {

constexpr double kFactorBound = 300;

// The product of matrices with batches; nothing where they do not go together.
std::optional<GraphValue> product(GraphBuilder& g, const GraphValue& a, const GraphValue& b) {
  GraphValue out = a;
  std::vector<Expr> left(a.dims.begin(), a.dims.end() - std::min(2, a.rank())),
      right(b.dims.begin(), b.dims.end() - std::min(2, b.rank()));
  const Expr inner = a.dims.back();
  if (inner != b.dims[b.dims.size() - (b.rank() > 1 ? 2 : 1)]) return std::nullopt;
  std::vector<Expr> batch = left.size() > right.size() ? left : right;
  const std::vector<Expr>& other = left.size() > right.size() ? right : left;
  for (size_t d = 0, skip = batch.size() - other.size(); d < other.size(); ++d) {
    if (batch[skip + d] == Expr(1))
      batch[skip + d] = other[d];
    else if (other[d] != batch[skip + d] && other[d] != Expr(1))
      return std::nullopt;
  }
  out.dims = batch;
  if (a.rank() > 1) out.dims.push_back(a.dims[a.dims.size() - 2]);
  if (b.rank() > 1) out.dims.push_back(b.dims.back());
  const auto depth = static_cast<double>(g.largest(inner));
  out.filling = "int";
  out.bound = depth * a.bound * b.bound;
  out.error = depth * (a.bound * b.error + b.bound * a.error);
  if (out.error > 0 || out.bound > GraphBuilder::kMaxExact) out.error += 1e-6 * out.bound;
  return out;
}

void multiply(GraphBuilder& g, const GraphValue& x, const GraphValue& y) {
  const GraphValue a = g.tame(x, kFactorBound), b = g.tame(y, kFactorBound);
  if (a.name.empty() || b.name.empty()) return;
  if (auto out = product(g, a, b)) g.add("MatMul", {a.name, b.name}, *out);
}

void withWeight(GraphBuilder& g) {
  auto x = g.pick([](const GraphValue& v) { return v.isFloat() && v.rank() >= 1 && v.size(v.rank() - 1); });
  if (!x) return;
  std::vector<Expr> dims = {x->dims.back()};
  if (g.random.chance(90)) dims.push_back(g.random.of<int64_t>({3, 5, 6, 7, 8, 12, 40, 66}));
  if (dims.size() == 2 && x->rank() > 2 && x->size(x->rank() - 3) && g.random.chance(25))
    dims.insert(dims.begin(), *x->size(x->rank() - 3));
  multiply(g, *x, g.addWeight(dims));
}

void ofTwo(GraphBuilder& g) {
  auto a = g.pick([](const GraphValue& v) { return v.isFloat() && v.rank() >= 1; });
  if (!a) return;
  auto b = g.pick([&](const GraphValue& v) { return v.isFloat() && v.rank() >= 1 && product(g, *a, v); });
  if (b) multiply(g, *a, *b);
}

// x · xᵀ, and perhaps that · x: attention's shape, contracting what may be a symbol.
void withItself(GraphBuilder& g) {
  auto x = g.pick([](const GraphValue& v) { return v.isFloat() && v.rank() >= 2; });
  if (!x) return;
  const GraphValue in = g.tame(*x, 20);
  if (in.name.empty()) return;
  GraphValue turned = in;
  std::swap(turned.dims[turned.dims.size() - 1], turned.dims[turned.dims.size() - 2]);
  std::string perm;
  for (int d = 0; d < in.rank(); ++d) {
    const int from = d < in.rank() - 2 ? d : d == in.rank() - 2 ? d + 1 : d - 1;
    perm += (d ? "," : "") + std::to_string(from);
  }
  turned = g.add("Transpose<perm=[" + perm + "]>", {in.name}, turned);
  const auto scores = product(g, in, turned);
  if (turned.name.empty() || !scores) return;
  const GraphValue made = g.add("MatMul", {in.name, turned.name}, *scores);
  if (!made.name.empty() && g.random.chance(60)) multiply(g, made, in);
}

void gemm(GraphBuilder& g) {
  auto x = g.pick([](const GraphValue& v) { return v.isFloat() && v.rank() == 2; });
  if (!x) return;
  const bool transA = x->size(0) && g.random.chance(50);
  if (!transA && !x->size(1)) return;
  const Expr inner = x->dims[transA ? 0 : 1];
  const bool transB = g.random.chance(50);
  const Expr n = g.random.of<int64_t>({3, 5, 6, 8});
  const GraphValue a = g.tame(*x, kFactorBound);
  if (a.name.empty()) return;
  const GraphValue b = g.addWeight(transB ? std::vector<Expr>{n, inner} : std::vector<Expr>{inner, n});
  GraphValue out = a;
  out.dims = {a.dims[transA ? 1 : 0], n};
  out.filling = "int";
  const auto depth = static_cast<double>(g.largest(inner));
  out.bound = 2 * depth * a.bound * b.bound + 20;
  out.error = a.error * 2 * depth * b.bound;
  std::vector<std::string> operands = {a.name, b.name};
  if (g.random.chance(60)) operands.push_back(g.addWeight({n}).name);
  g.add("Gemm<transA=" + std::to_string(transA) + ",transB=" + std::to_string(transB) + ",alpha=2.0,beta=3.0>",
        operands, out);
}

std::string shuffled(GraphBuilder& g, std::string letters) {
  for (size_t i = letters.size(); i > 1; --i) {
    const auto other = static_cast<size_t>(g.random.below(static_cast<int64_t>(i)));
    std::swap(letters[i - 1], letters[other]);
  }
  return letters;
}

// A value and a weight that shares some of its letters and has one or two of its own; any letters but the last may be summed.
void einsum(GraphBuilder& g) {
  auto x = g.pick([](const GraphValue& v) { return v.isFloat() && v.rank() >= 1 && v.rank() <= 4; });
  if (!x) return;
  const GraphValue in = g.tame(*x, kFactorBound);
  if (in.name.empty()) return;
  const std::string left = std::string("abcd").substr(0, static_cast<size_t>(in.rank()));
  std::string right = g.random.chance(50) ? "y" : "yz";
  for (int d = 0; d < in.rank(); ++d)
    if (in.size(d) && g.random.chance(60)) right += left[static_cast<size_t>(d)];
  right = shuffled(g, right);
  const auto sizeOf = [&](char letter) {
    return letter == 'y' ? Expr(5) : letter == 'z' ? Expr(2) : in.dims[static_cast<size_t>(letter - 'a')];
  };
  std::vector<Expr> weightDims;
  for (char letter : right) weightDims.push_back(sizeOf(letter));
  const GraphValue w = g.addWeight(weightDims);
  GraphValue out = in;
  out.dims.clear();
  double depth = 1;
  std::string result;
  for (char letter : shuffled(g, left + "yz")) {
    if (letter >= 'y' && right.find(letter) == std::string::npos) continue;
    const bool isSummed = letter != 'y' && g.random.chance(40);
    if (isSummed) {
      depth *= static_cast<double>(g.largest(sizeOf(letter)));
    } else {
      result += letter;
      out.dims.push_back(sizeOf(letter));
    }
  }
  out.filling = "int";
  out.bound = depth * in.bound * w.bound;
  out.error = depth * in.error * w.bound;
  if (out.error > 0 || out.bound > GraphBuilder::kMaxExact) out.error += 1e-6 * out.bound;
  g.add("Einsum<equation=\"" + left + "," + right + "->" + result + "\">", {in.name, w.name}, out);
}

}  // namespace

std::vector<NodeMaker> contractionMakers() { return {withWeight, withWeight, ofTwo, ofTwo, withItself, gemm, einsum}; }

}  // namespace shardwright
