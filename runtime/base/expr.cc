#include "runtime/base/expr.h"

#include <algorithm>
#include <numeric>
#include <unordered_map>

#include "runtime/base/expr_node.h"

namespace shardwright {
namespace {

// Beyond it an expression is hostile or a mistake, not a size.
constexpr size_t kMaxTerms = 1 << 10;
constexpr int kMaxDegree = 1 << 10;

const Monomial* multiplyMonomials(const Monomial* a, const Monomial* b) {
  if (a->factors.empty()) return b;
  if (b->factors.empty()) return a;
  std::vector<AtomPower> out;
  out.reserve(a->factors.size() + b->factors.size());
  auto i = a->factors.begin(), j = b->factors.begin();
  while (i != a->factors.end() && j != b->factors.end()) {
    int order = compareAtoms(i->atom, j->atom);
    if (order == 0)
      out.push_back({i->atom, i->power + j->power}), ++i, ++j;
    else
      out.push_back(order < 0 ? *i++ : *j++);
  }
  out.insert(out.end(), i, a->factors.end());
  out.insert(out.end(), j, b->factors.end());
  return internMonomial(std::move(out));
}

// a / b, or null if b does not divide a.
const Monomial* divideMonomials(const Monomial* a, const Monomial* b) {
  if (b->factors.empty()) return a;
  if (a->degree < b->degree) return nullptr;
  std::vector<AtomPower> out;
  auto j = b->factors.begin();
  for (const AtomPower& f : a->factors) {
    int power = f.power;
    if (j != b->factors.end() && j->atom == f.atom) power -= j++->power;
    if (power < 0) return nullptr;
    if (power > 0) out.push_back({f.atom, power});
  }
  return j == b->factors.end() ? internMonomial(std::move(out)) : nullptr;
}

bool greater(const Term& a, const Term& b) { return compareMonomials(a.monomial, b.monomial) > 0; }

// Sorts and merges; poisoned on overflow.
Expr sumOfTerms(std::vector<Term> terms) {
  std::sort(terms.begin(), terms.end(), greater);
  size_t kept = 0;
  for (size_t i = 0; i < terms.size();) {
    Term sum = terms[i++];
    for (; i < terms.size() && terms[i].monomial == sum.monomial; ++i)
      if (__builtin_add_overflow(sum.coefficient, terms[i].coefficient, &sum.coefficient)) return poisonedExpr();
    if (sum.coefficient != 0) terms[kept++] = sum;
  }
  terms.resize(kept);
  return internSum(std::move(terms));
}

// gcd of the coefficients, optionally without the constant term's; 0 if there is none.
uint64_t magnitude(int64_t v) { return v < 0 ? 0 - static_cast<uint64_t>(v) : static_cast<uint64_t>(v); }
uint64_t content(Expr e, bool withConstant) {
  uint64_t g = 0;
  for (const Term& t : e.node()->terms)
    if (withConstant || !t.monomial->factors.empty()) g = std::gcd(g, magnitude(t.coefficient));
  return g;
}

// Every coefficient divided by g, rounding the constant down.
Expr shrink(Expr e, int64_t g) {
  std::vector<Term> terms;
  for (const Term& t : e.node()->terms) {
    int64_t c = floorDivide(t.coefficient, g);
    if (c != 0) terms.push_back({t.monomial, c});
  }
  return internSum(std::move(terms));
}

// The product of symbols' powers that divides every term of e and of d.
const Monomial* commonSymbols(Expr e, Expr d) {
  std::vector<AtomPower> common;
  for (const AtomPower& f : d.node()->terms.front().monomial->factors)
    if (f.atom->kind == Atom::Kind::kSymbol) common.push_back(f);
  for (Expr x : {e, d}) {
    for (const Term& t : x.node()->terms) {
      for (AtomPower& f : common) {
        auto same = [&](const AtomPower& g) { return g.atom == f.atom; };
        auto found = std::find_if(t.monomial->factors.begin(), t.monomial->factors.end(), same);
        f.power = found == t.monomial->factors.end() ? 0 : std::min(f.power, found->power);
      }
    }
  }
  common.erase(std::remove_if(common.begin(), common.end(), [](const AtomPower& f) { return f.power == 0; }),
               common.end());
  return internMonomial(std::move(common));
}

Expr divideByMonomial(Expr e, const Monomial* m) {
  std::vector<Term> terms;
  for (const Term& t : e.node()->terms) terms.push_back({divideMonomials(t.monomial, m), t.coefficient});
  return sumOfTerms(std::move(terms));
}

// floordiv(floordiv(a, b) + k, c) = floordiv(a + k*b, b*c), where k has no floordiv of its own. True if it applied.
bool mergeNestedDivision(Expr& numerator, Expr& divisor) {
  const Term* nested = nullptr;
  for (const Term& t : numerator.node()->terms) {
    for (const AtomPower& f : t.monomial->factors) {
      if (f.atom->kind != Atom::Kind::kFloorDiv) continue;
      if (nested || t.monomial->degree != 1 || t.coefficient != 1) return false;
      nested = &t;
    }
  }
  if (!nested) return false;
  const Atom* atom = nested->monomial->factors.front().atom;
  Expr k = numerator - exprOfTerm(*nested);
  numerator = atom->args[0] + k * atom->args[1];
  divisor = divisor * atom->args[1];
  return true;
}

}  // namespace

Expr operator+(Expr a, Expr b) {
  const Expr::Node &na = *a.node(), &nb = *b.node();
  if (na.poisoned || nb.poisoned) return poisonedExpr();
  if (na.terms.empty()) return b;
  if (nb.terms.empty()) return a;
  std::vector<Term> terms;
  terms.reserve(na.terms.size() + nb.terms.size());
  auto i = na.terms.begin(), j = nb.terms.begin();
  while (i != na.terms.end() && j != nb.terms.end()) {
    int order = compareMonomials(i->monomial, j->monomial);
    if (order > 0) {
      terms.push_back(*i++);
    } else if (order < 0) {
      terms.push_back(*j++);
    } else {
      int64_t sum;
      if (__builtin_add_overflow(i->coefficient, j->coefficient, &sum)) return poisonedExpr();
      if (sum != 0) terms.push_back({i->monomial, sum});
      ++i, ++j;
    }
  }
  terms.insert(terms.end(), i, na.terms.end());
  terms.insert(terms.end(), j, nb.terms.end());
  return terms.size() > kMaxTerms ? poisonedExpr() : internSum(std::move(terms));
}

Expr operator-(Expr a, Expr b) { return a + Expr(-1) * b; }

Expr operator*(Expr a, Expr b) {
  const Expr::Node &na = *a.node(), &nb = *b.node();
  if (na.poisoned || nb.poisoned) return poisonedExpr();
  if (na.terms.empty() || nb.terms.empty()) return Expr();
  if (na.terms.size() * nb.terms.size() > kMaxTerms) return poisonedExpr();
  if (na.terms.front().monomial->degree + nb.terms.front().monomial->degree > kMaxDegree) return poisonedExpr();
  std::vector<Term> terms;
  terms.reserve(na.terms.size() * nb.terms.size());
  for (const Term& s : na.terms) {
    for (const Term& t : nb.terms) {
      int64_t c;
      if (__builtin_mul_overflow(s.coefficient, t.coefficient, &c)) return poisonedExpr();
      terms.push_back({multiplyMonomials(s.monomial, t.monomial), c});
    }
  }
  return sumOfTerms(std::move(terms));
}

// Example: 5*B*S + B + 3 by 2*B: the quotient takes 2*S, leaving the remainder B*S + B + 3.
Division divide(Expr a, Expr divisor) {
  const Term lead = divisor.node()->terms.front();
  Expr quotient, remainder = a;
  for (size_t step = 0;; ++step) {
    if (step > kMaxTerms || remainder.node()->poisoned) return {poisonedExpr(), poisonedExpr()};
    bool reduced = false;
    for (const Term& t : remainder.node()->terms) {
      const Monomial* m = divideMonomials(t.monomial, lead.monomial);
      if (!m || lead.coefficient == INT64_MIN) continue;
      bool negative = lead.coefficient < 0;
      int64_t times = floorDivide(t.coefficient, negative ? -lead.coefficient : lead.coefficient);
      if (times == 0 || times == INT64_MIN) continue;
      Expr part = exprOfTerm({m, negative ? -times : times});
      quotient += part;
      remainder -= part * divisor;
      reduced = true;
      break;
    }
    if (!reduced) return {quotient, remainder};
  }
}

std::optional<Expr> Expr::dividedBy(Expr d) const {
  if (node_->poisoned || d.node_->poisoned || d.node_->terms.empty()) return std::nullopt;
  Division division = divide(*this, d);
  if (division.remainder != Expr() || division.quotient.node_->poisoned) return std::nullopt;
  return division.quotient;
}

// Removes, until nothing changes: common factors, whole multiples of the divisor, nested divisions. Each step keeps the
// value for positive divisors, so the result is a quotient plus one atom that none of the steps can touch.
Expr Expr::floorDiv(Expr a, Expr b) {
  Expr whole;
  for (;;) {
    if (a.node_->poisoned || b.node_->poisoned || whole.node_->poisoned) return poisonedExpr();
    std::optional<int64_t> divisor = b.constant();
    if (divisor && *divisor < 1) return poisonedExpr();
    if (divisor && *divisor == 1) return whole + a;
    uint64_t g = std::gcd(content(b, true), content(a, false));
    if (g > 1 && g <= INT64_MAX) {
      a = shrink(a, static_cast<int64_t>(g));
      b = shrink(b, static_cast<int64_t>(g));
      continue;
    }
    Division division = divide(a, b);
    whole += division.quotient;
    a = division.remainder;
    if (a == Expr()) return whole;
    if (a.node_->poisoned) return poisonedExpr();
    const Monomial* common = commonSymbols(a, b);
    if (common->degree > 0) {
      a = divideByMonomial(a, common);
      b = divideByMonomial(b, common);
      continue;
    }
    if (division.quotient != Expr() || mergeNestedDivision(a, b)) continue;
    return whole + exprOfAtom(internAtom(Atom::Kind::kFloorDiv, "", {a, b}));
  }
}

Expr Expr::ceilDiv(Expr a, Expr b) { return floorDiv(a + b - Expr(1), b); }
Expr Expr::mod(Expr a, Expr b) { return a - b * floorDiv(a, b); }
Expr Expr::min(Expr a, Expr b) { return extremum(Atom::Kind::kMin, {a, b}); }
Expr Expr::max(Expr a, Expr b) { return extremum(Atom::Kind::kMax, {a, b}); }

Expr product(const std::vector<Expr>& factors) {
  Expr result(1);
  for (Expr f : factors) result *= f;
  return result;
}

bool Expr::isConstant() const { return constant().has_value(); }

std::optional<int64_t> Expr::constant() const {
  if (node_->poisoned) return std::nullopt;
  if (node_->terms.empty()) return 0;
  const Term& first = node_->terms.front();
  if (first.monomial->degree != 0) return std::nullopt;
  return first.coefficient;
}

bool Expr::isSymbol() const {
  if (node_->terms.size() != 1 || node_->terms[0].coefficient != 1 || node_->terms[0].monomial->degree != 1)
    return false;
  return node_->terms[0].monomial->factors[0].atom->kind == Atom::Kind::kSymbol;
}

std::string Expr::symbolName() const {
  assert(isSymbol());
  return node_->terms[0].monomial->factors[0].atom->name;
}

static void collectSymbols(Expr e, std::set<std::string>& names) {
  for (const Term& t : e.node()->terms) {
    for (const AtomPower& f : t.monomial->factors) {
      if (f.atom->kind == Atom::Kind::kSymbol) names.insert(f.atom->name);
      for (Expr arg : f.atom->args) collectSymbols(arg, names);
    }
  }
}

std::set<std::string> Expr::symbols() const {
  std::set<std::string> names;
  collectSymbols(*this, names);
  return names;
}

namespace {

class Substitution {
 public:
  explicit Substitution(const std::map<std::string, Expr>& replacements) : replacements_(replacements) {}

  Expr of(Expr e) {
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
  Expr ofAtom(const Atom* atom) {
    auto [known, isNew] = done_.try_emplace(atom);
    if (!isNew) return known->second;
    Expr result = exprOfAtom(atom);
    if (atom->kind == Atom::Kind::kSymbol) {
      auto found = replacements_.find(atom->name);
      if (found != replacements_.end()) result = found->second;
    } else {
      std::vector<Expr> args;
      for (Expr arg : atom->args) args.push_back(of(arg));
      if (args != atom->args)
        result = atom->kind == Atom::Kind::kFloorDiv ? Expr::floorDiv(args[0], args[1])
                                                     : extremum(atom->kind, std::move(args));
    }
    return done_[atom] = result;
  }

  const std::map<std::string, Expr>& replacements_;
  std::unordered_map<const Atom*, Expr> done_;  // looked up only, never iterated
};

}  // namespace

Expr Expr::substitute(const std::map<std::string, Expr>& replacements) const {
  return replacements.empty() ? *this : Substitution(replacements).of(*this);
}

namespace {

StatusOr<int64_t> evaluateExpr(Expr e, const Bindings& bindings);

StatusOr<int64_t> evaluateAtom(const Atom* atom, const Bindings& bindings) {
  if (atom->kind == Atom::Kind::kSymbol) {
    auto found = bindings.find(atom->name);
    if (found == bindings.end()) return userError("symbol \"" + atom->name + "\" has no value; bind it");
    return found->second;
  }
  SW_ASSIGN_OR_RETURN(int64_t result, evaluateExpr(atom->args[0], bindings));
  for (size_t i = 1; i < atom->args.size(); ++i) {
    SW_ASSIGN_OR_RETURN(int64_t arg, evaluateExpr(atom->args[i], bindings));
    if (atom->kind == Atom::Kind::kMin) result = std::min(result, arg);
    if (atom->kind == Atom::Kind::kMax) result = std::max(result, arg);
    if (atom->kind != Atom::Kind::kFloorDiv) continue;
    if (arg < 1) {
      return userError(exprOfAtom(atom).str() + ": the divisor is " + std::to_string(arg) + "; it must be at least 1");
    }
    result = floorDivide(result, arg);
  }
  return result;
}

StatusOr<int64_t> evaluateExpr(Expr e, const Bindings& bindings) {
  auto overflow = [&] { return userError(e.str() + ": the value does not fit in 64 bits; use smaller sizes"); };
  if (e.node()->poisoned) return overflow();
  __int128 sum = 0;
  for (const Term& t : e.node()->terms) {
    __int128 term = t.coefficient;
    for (const AtomPower& f : t.monomial->factors) {
      SW_ASSIGN_OR_RETURN(int64_t value, evaluateAtom(f.atom, bindings));
      for (int i = 0; i < f.power; ++i)
        if (__builtin_mul_overflow(term, static_cast<__int128>(value), &term)) return overflow();
    }
    if (__builtin_add_overflow(sum, term, &sum)) return overflow();
  }
  if (sum > INT64_MAX || sum < INT64_MIN) return overflow();
  return static_cast<int64_t>(sum);
}

}  // namespace

StatusOr<int64_t> Expr::evaluate(const Bindings& bindings) const { return evaluateExpr(*this, bindings); }

}  // namespace shardwright
