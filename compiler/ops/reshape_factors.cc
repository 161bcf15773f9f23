#include "compiler/ops/reshape_factors.h"

#include <numeric>

namespace shardwright {
namespace {

bool isOne(Expr e) { return e == Expr(1); }

// a / b if exact; never by zero.
std::optional<Expr> quotient(Expr a, Expr b) {
  if (b == Expr(0)) return std::nullopt;
  return a.dividedBy(b);
}

// One side of a reshape while both are walked, major first. `rest` is what is left of the dim at `position`.
struct Side {
  Side(llvm::ArrayRef<Expr> dims, const Facts& facts) : text(dims.size()), count(dims.size(), 0) {
    for (Expr dim : dims) sizes.push_back(facts.simplify(dim));
    settle();
  }
  bool done() const { return position == sizes.size(); }
  void settle() {
    while (position < sizes.size() && isOne(sizes[position])) ++position;
    rest = done() ? Expr(1) : sizes[position];
  }
  void append(const std::string& name, Expr size, bool whole) {
    std::string& dim = text[position];
    dim += (dim.empty() ? "" : " ") + std::string(whole ? "!" : "") + name + "=";
    dim += size.isConstant() ? size.str() : "{" + size.str() + "}";
    ++count[position];
  }
  void advance() {
    ++position;
    settle();
  }
  std::string str() const {
    std::string all;
    for (size_t i = 0; i < text.size(); ++i) {
      const std::string dim = count[i] == 0 ? "1" : count[i] == 1 ? text[i] : "(" + text[i] + ")";
      all += (i ? " " : "") + dim;
    }
    return all;
  }

  Exprs sizes;
  std::vector<std::string> text;
  std::vector<int> count;
  size_t position = 0;
  Expr rest = 1;
};

class ReshapeWalk {
 public:
  ReshapeWalk(llvm::ArrayRef<Expr> from, llvm::ArrayRef<Expr> to, const Facts& facts)
      : facts_(facts), a_(from, facts), b_(to, facts) {}

  ReshapeRule run() {
    while (!a_.done() && !b_.done()) step();
    for (Side* side : {&a_, &b_})
      while (!side->done()) consumeWhole(*side);
    return {a_.str(), b_.str()};
  }

 private:
  std::string fresh() {
    const int i = next_++;
    return std::string(1, static_cast<char>('a' + i % 26)) + (i < 26 ? "" : std::to_string(i / 26));
  }

  void consumeWhole(Side& side) {
    side.append(fresh(), side.rest, true);
    side.advance();
  }

  // Takes a digit of this size from the major end of both rests.
  void take(Expr size) {
    const std::string name = fresh();
    for (Side* side : {&a_, &b_}) {
      side->append(name, size, false);
      side->rest = *quotient(side->rest, size);
      if (isOne(side->rest)) side->advance();
    }
  }

  void step() {
    if (facts_.provablyEqual(a_.rest, b_.rest)) {
      const std::string name = fresh();
      for (Side* side : {&a_, &b_}) {
        side->append(name, side->rest, false);
        side->advance();
      }
    } else if (quotient(a_.rest, b_.rest)) {
      take(b_.rest);
    } else if (quotient(b_.rest, a_.rest)) {
      take(a_.rest);
    } else {
      const std::optional<int64_t> x = a_.rest.constant(), y = b_.rest.constant();
      const int64_t common = x && y && *x > 0 && *y > 0 ? std::gcd(*x, *y) : 1;
      common > 1 ? take(common) : diverge();
    }
  }

  // The rests share no digit: both sides are whole up to the next place where their products meet.
  void diverge() {
    Expr productA = a_.rest, productB = b_.rest;
    consumeWhole(a_);
    consumeWhole(b_);
    while (!facts_.provablyEqual(productA, productB)) {
      const bool growA = quotient(productB, productA) || (productA.isConstant() && productB.isConstant() &&
                                                          *productA.constant() < *productB.constant());
      Side& side = (growA && !a_.done()) || b_.done() ? a_ : b_;
      if (side.done()) return;
      (&side == &a_ ? productA : productB) *= side.rest;
      consumeWhole(side);
    }
  }

  const Facts& facts_;
  Side a_, b_;
  int next_ = 0;
};

// Dims of size 1 have no say in where elements lie.
SymbolicView withoutOnes(const SymbolicView& view, const Facts& facts) {
  SymbolicView kept{view.offset, {}, {}};
  for (size_t i = 0; i < view.dims.size(); ++i) {
    const Expr dim = facts.simplify(view.dims[i]);
    if (isOne(dim)) continue;
    kept.dims.push_back(dim);
    kept.strides.push_back(view.strides[i]);
  }
  return kept;
}

bool isDense(const SymbolicView& view, const Facts& facts) {
  const Exprs strides = denseStrides(view.dims);
  for (size_t i = 0; i < strides.size(); ++i)
    if (!facts.provablyEqual(strides[i], view.strides[i])) return false;
  return true;
}

}  // namespace

ReshapeRule reshapeRule(llvm::ArrayRef<Expr> from, llvm::ArrayRef<Expr> to, const Facts& facts) {
  return ReshapeWalk(from, to, facts).run();
}

Exprs denseStrides(llvm::ArrayRef<Expr> dims) {
  Exprs strides(dims.size(), Expr(1));
  for (size_t i = dims.size(); i-- > 1;) strides[i - 1] = strides[i] * dims[i];
  return strides;
}

// Worked example: [2, 3, 4] with strides [12, 4, 1] as [6, 4]: the group {2, 3} is contiguous (12 = 3·4), so it is one dim with
// its last stride: [4, 1]. With strides [4, 8, 1] (a transpose) it is not, and there is no such window.
std::optional<SymbolicView> reshapeView(const SymbolicView& from, llvm::ArrayRef<Expr> dims, const Facts& facts) {
  const SymbolicView source = withoutOnes(from, facts);
  SymbolicView view{from.offset, Exprs(dims.begin(), dims.end()), Exprs(dims.size(), Expr(1))};
  if (isDense(source, facts)) {
    view.strides = denseStrides(dims);
    return view;
  }
  size_t a = 0, b = 0;
  while (b < dims.size()) {
    if (isOne(facts.simplify(dims[b]))) {
      ++b;
      continue;
    }
    if (a == source.dims.size()) return std::nullopt;
    const size_t firstB = b;
    Expr productA = source.dims[a++], productB = dims[b++];
    while (!facts.provablyEqual(productA, productB)) {
      const bool growA = quotient(facts.simplify(productB), facts.simplify(productA)).has_value();
      if (growA && a < source.dims.size()) {
        if (!facts.provablyEqual(source.strides[a - 1], source.strides[a] * source.dims[a])) return std::nullopt;
        productA *= source.dims[a++];
      } else if (!growA && b < dims.size()) {
        productB *= dims[b++];
      } else {
        return std::nullopt;
      }
    }
    Expr stride = source.strides[a - 1];
    for (size_t i = b; i-- > firstB;) {
      view.strides[i] = stride;
      stride = stride * dims[i];
    }
  }
  return view;
}

}  // namespace shardwright
