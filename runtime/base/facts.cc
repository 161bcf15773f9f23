#include "runtime/base/facts.h"

#include <algorithm>
#include <numeric>

#include "runtime/base/expr_node.h"

namespace shardwright {
namespace {

constexpr int64_t kMin = std::numeric_limits<int64_t>::min(), kMax = std::numeric_limits<int64_t>::max();
constexpr int kMaxExpansions = 3;  // nested atoms resolved by case; deeper ones are bounded by their own range

// A closed interval; kMin and kMax stand for no bound.
struct Interval {
  int64_t lower, upper;
};

int64_t saturate(__int128 v) { return v > kMax ? kMax : v < kMin ? kMin : static_cast<int64_t>(v); }

int64_t addBounds(int64_t a, int64_t b) {
  if (a == kMin || b == kMin) return kMin;
  if (a == kMax || b == kMax) return kMax;
  return saturate(static_cast<__int128>(a) + b);
}
bool isUnbounded(int64_t v) { return v == kMin || v == kMax; }
int64_t mulBounds(int64_t a, int64_t b) {
  if (a == 0 || b == 0) return 0;
  if (isUnbounded(a) || isUnbounded(b)) return (a < 0) == (b < 0) ? kMax : kMin;
  return saturate(static_cast<__int128>(a) * b);
}

Interval operator+(Interval a, Interval b) {
  int64_t upper = a.upper == kMax || b.upper == kMax ? kMax : addBounds(a.upper, b.upper);
  return {addBounds(a.lower, b.lower), upper};
}
Interval operator*(Interval a, Interval b) {
  auto [lo, hi] = std::minmax({mulBounds(a.lower, b.lower), mulBounds(a.lower, b.upper), mulBounds(a.upper, b.lower),
                               mulBounds(a.upper, b.upper)});
  return {lo, hi};
}
Interval meet(Interval a, Interval b) { return {std::max(a.lower, b.lower), std::min(a.upper, b.upper)}; }

int64_t floorBound(int64_t a, int64_t b) { return isUnbounded(a) ? a : floorDivide(a, b); }

// Bounds of expressions over symbols with plain ranges (no definitions, no divisors).
class Bounder {
 public:
  explicit Bounder(const Facts& facts) : facts_(facts) {}

  Interval of(Expr e, int expansions) const {
    Interval best = bySum(e, expansions);
    if (expansions == 0) return best;
    for (const Term& t : e.node()->terms) {
      if (t.monomial->degree != 1 || t.monomial->factors[0].atom->kind == Atom::Kind::kSymbol) continue;
      best = meet(best, byCases(e, t, expansions - 1));
      break;
    }
    return meet(best, byShift(e, expansions - 1));
  }

 private:
  Interval bySum(Expr e, int expansions) const {
    if (e.node()->poisoned) return {kMin, kMax};
    Interval sum{0, 0};
    for (const Term& t : e.node()->terms) {
      Interval term{t.coefficient, t.coefficient};
      for (const AtomPower& f : t.monomial->factors) {
        Interval base = ofAtom(f.atom, expansions);
        Interval power = base;
        for (int i = 1; i < f.power; ++i) power = power * base;
        if (f.power % 2 == 0) power.lower = std::max<int64_t>(power.lower, 0);
        term = term * power;
      }
      sum = sum + term;
    }
    return sum;
  }

  Interval ofAtom(const Atom* atom, int expansions) const {
    if (atom->kind == Atom::Kind::kSymbol) {
      SymbolRange range = facts_.range(atom->name);
      return {range.min, range.max};
    }
    int inner = std::max(expansions - 1, 0);
    Interval result = of(atom->args[0], inner);
    for (size_t i = 1; i < atom->args.size(); ++i) {
      Interval arg = of(atom->args[i], inner);
      if (atom->kind == Atom::Kind::kMin) {
        result = {std::min(result.lower, arg.lower), std::min(result.upper, arg.upper)};
      } else if (atom->kind == Atom::Kind::kMax) {
        result = {std::max(result.lower, arg.lower), std::max(result.upper, arg.upper)};
      } else {
        int64_t least = std::max<int64_t>(arg.lower, 1), most = std::max(arg.upper, least);
        int64_t lower = result.lower < 0 ? floorBound(result.lower, least) : floorBound(result.lower, most);
        int64_t upper =
            result.upper < 0 ? (most == kMax ? -1 : floorBound(result.upper, most)) : floorBound(result.upper, least);
        if (result.lower >= 0 && most == kMax) lower = 0;
        result = {lower, upper};
      }
    }
    return result;
  }

  // e = k*atom + rest. For max(a, b): the greater (k > 0) of k*a + rest and k*b + rest, so that max(n, m) - m >= 0 is
  // seen; for floordiv(a, c): c*e lies within k*a + c*rest - k*[0, c-1].
  Interval byCases(Expr e, const Term& term, int expansions) const {
    const Atom* atom = term.monomial->factors[0].atom;
    Expr rest = e - exprOfTerm(term), k(term.coefficient);
    if (atom->kind == Atom::Kind::kFloorDiv) {
      std::optional<int64_t> divisor = atom->args[1].constant();
      if (!divisor) return {kMin, kMax};
      Interval scaled = of(k * atom->args[0] + Expr(*divisor) * rest, expansions);
      Interval slack = Interval{-(*divisor - 1), 0} * Interval{term.coefficient, term.coefficient};
      scaled = scaled + slack;
      int64_t lower = scaled.lower == kMin ? kMin : -floorBound(-scaled.lower, *divisor);
      return {lower, floorBound(scaled.upper, *divisor)};
    }
    bool takesGreater = (atom->kind == Atom::Kind::kMax) == (term.coefficient > 0);
    Interval result = of(k * atom->args[0] + rest, expansions);
    for (size_t i = 1; i < atom->args.size(); ++i) {
      Interval other = of(k * atom->args[i] + rest, expansions);
      result = takesGreater ? Interval{std::max(result.lower, other.lower), std::max(result.upper, other.upper)}
                            : Interval{std::min(result.lower, other.lower), std::min(result.upper, other.upper)};
    }
    return result;
  }

  // Measures each symbol from its least (or greatest) value, so that equal parts cancel: B*S - B with both at least 1 is
  // b*s + s >= 0.
  Interval byShift(Expr e, int expansions) const {
    Interval best{kMin, kMax};
    for (bool fromLeast : {true, false}) {
      std::map<std::string, Expr> replacements;
      Facts shifted;
      for (const std::string& name : e.symbols()) {
        SymbolRange range = facts_.range(name);
        int64_t end = fromLeast ? range.min : range.max;
        int64_t span = saturate(static_cast<__int128>(range.max) - range.min);
        shifted.setRange(name, {0, range.max == kMax ? kMax : span, 1});
        if (end == kMax || (end == 0 && fromLeast)) {
          if (end == kMax) shifted.setRange(name, range);
          continue;
        }
        Expr distance = Expr::symbol(name);
        replacements.emplace(name, fromLeast ? Expr(end) + distance : Expr(end) - distance);
      }
      if (!replacements.empty()) best = meet(best, Bounder(shifted).bySum(e.substitute(replacements), expansions));
    }
    return best;
  }

  const Facts& facts_;
};

std::string unitName(const std::string& symbol) { return "unit of " + symbol; }

// Replaces every symbol that is a multiple of d by d times a new symbol, and back: units become the symbol or a floordiv of it.
class Units {
 public:
  explicit Units(const Facts& facts) {
    for (const auto& [name, range] : facts.ranges()) {
      inner_.setRange(name, range);
      if (range.divisor <= 1) continue;
      std::string unit = unitName(name);
      into_.emplace(name, Expr(range.divisor) * Expr::symbol(unit));
      divisors_.emplace(unit, std::pair(name, range.divisor));
      int64_t upper = range.max == kMax ? kMax : floorDivide(range.max, range.divisor);
      inner_.setRange(unit, {-floorBound(range.min == kMin ? kMin + 1 : -range.min, range.divisor), upper, 1});
    }
  }
  const Facts& facts() const { return inner_; }
  Expr into(Expr e) const { return e.substitute(into_); }

  Expr back(Expr e) const {
    if (divisors_.empty() || e.node()->poisoned) return e;
    Expr sum;
    for (const Term& t : e.node()->terms) {
      int64_t coefficient = t.coefficient;
      Expr rest(1);
      for (const AtomPower& f : t.monomial->factors) rest *= backFactor(f, coefficient);
      sum += Expr(coefficient) * rest;
    }
    return sum;
  }

 private:
  // c*unit is (c/g)*floordiv(symbol, d/g) with g = gcd(c, d): the symbol itself where d divides c.
  Expr backFactor(const AtomPower& f, int64_t& coefficient) const {
    Expr result(1);
    if (f.atom->kind == Atom::Kind::kSymbol) {
      auto found = divisors_.find(f.atom->name);
      auto [symbol, divisor] = found == divisors_.end() ? std::pair(f.atom->name, int64_t{1}) : found->second;
      for (int i = 0; i < f.power; ++i) {
        int64_t g = std::gcd(coefficient, divisor);
        coefficient /= g;
        result *= Expr::floorDiv(Expr::symbol(symbol), Expr(divisor / g));
      }
      return result;
    }
    std::vector<Expr> args;
    for (Expr arg : f.atom->args) args.push_back(back(arg));
    Expr whole =
        f.atom->kind == Atom::Kind::kFloorDiv ? Expr::floorDiv(args[0], args[1]) : extremum(f.atom->kind, args);
    for (int i = 0; i < f.power; ++i) result *= whole;
    return result;
  }

  Facts inner_;
  std::map<std::string, Expr> into_;
  std::map<std::string, std::pair<std::string, int64_t>> divisors_;
};

// Rebuilds e with every atom that the ranges decide replaced by its value.
class Resolver {
 public:
  explicit Resolver(const Facts& facts) : facts_(facts), bounder_(facts) {}

  Expr of(Expr e) const {
    if (e.node()->poisoned) return e;
    Expr sum;
    for (const Term& t : e.node()->terms) {
      Expr term(t.coefficient);
      for (const AtomPower& f : t.monomial->factors) {
        Expr base = ofAtom(f.atom);
        for (int i = 0; i < f.power; ++i) term *= base;
      }
      sum += term;
    }
    return sum;
  }

 private:
  Interval bounds(Expr e) const { return bounder_.of(e, kMaxExpansions); }

  Expr ofAtom(const Atom* atom) const {
    if (atom->kind == Atom::Kind::kSymbol) {
      SymbolRange range = facts_.range(atom->name);
      return range.min == range.max ? Expr(range.min) : exprOfAtom(atom);
    }
    std::vector<Expr> args;
    for (Expr arg : atom->args) args.push_back(of(arg));
    if (atom->kind != Atom::Kind::kFloorDiv) return ofExtremum(atom->kind, args);
    Expr result = Expr::floorDiv(args[0], args[1]);
    Interval range = bounds(result);
    if (range.lower == range.upper) return Expr(range.lower);
    // 0 <= a < b gives 0 for a divisor that is an expression, too.
    if (bounds(args[0]).lower >= 0 && bounds(args[1] - args[0]).lower >= 1) return Expr(0);
    return result;
  }

  Expr ofExtremum(Atom::Kind kind, std::vector<Expr> args) const {
    for (size_t i = 0; i < args.size(); ++i) {
      for (size_t j = 0; j < args.size() && args.size() > 1; ++j) {
        if (i == j || i >= args.size()) continue;
        Expr surplus = kind == Atom::Kind::kMin ? args[i] - args[j] : args[j] - args[i];
        if (bounds(surplus).lower < 0) continue;  // args[i] may be the one taken
        args.erase(args.begin() + static_cast<std::ptrdiff_t>(i));
        j = static_cast<size_t>(-1);
      }
    }
    return extremum(kind, std::move(args));
  }

  const Facts& facts_;
  Bounder bounder_;
};

}  // namespace

void Facts::setRange(const std::string& symbol, SymbolRange range) { ranges_[symbol] = range; }

SymbolRange Facts::range(const std::string& symbol) const {
  auto found = ranges_.find(symbol);
  return found == ranges_.end() ? SymbolRange() : found->second;
}

void Facts::define(const std::string& symbol, Expr e) {
  Expr resolved = e.substitute(definitions_);
  assert(resolved.symbols().count(symbol) == 0);
  for (auto& [name, definition] : definitions_) definition = definition.substitute({{symbol, resolved}});
  definitions_.insert_or_assign(symbol, resolved);
}

Expr Facts::simplify(Expr e) const {
  if (e.isConstant()) return e;
  Units units(*this);
  return units.back(Resolver(units.facts()).of(units.into(e.substitute(definitions_))));
}

int64_t Facts::lowerBound(Expr e) const {
  Units units(*this);
  Interval bound = Bounder(units.facts()).of(units.into(e.substitute(definitions_)), kMaxExpansions);
  if (!definitions_.empty()) bound = meet(bound, Bounder(*this).of(e, kMaxExpansions));
  return bound.lower;
}

int64_t Facts::upperBound(Expr e) const {
  Units units(*this);
  Interval bound = Bounder(units.facts()).of(units.into(e.substitute(definitions_)), kMaxExpansions);
  if (!definitions_.empty()) bound = meet(bound, Bounder(*this).of(e, kMaxExpansions));
  return bound.upper;
}

bool Facts::provablyEqual(Expr a, Expr b) const {
  if (a == b) return !a.node()->poisoned;
  return simplify(a - b) == Expr();
}

bool Facts::provablyDivides(int64_t divisor, Expr e) const {
  Units units(*this);
  Expr inner = Resolver(units.facts()).of(units.into(e.substitute(definitions_)));
  return inner.dividedBy(Expr(divisor)).has_value();
}

}  // namespace shardwright
