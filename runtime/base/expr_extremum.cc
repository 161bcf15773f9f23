// The canonical form of min and max.
#include <algorithm>
#include <numeric>

#include "runtime/base/expr_node.h"

namespace shardwright {
namespace {

constexpr size_t kMaxArgs = 64;

// The one term k*atom (k > 0) of e whose atom is of this kind and stands alone; null if there is none, or several atoms
// of the kind.
const Term* soleExtremum(Atom::Kind kind, Expr e) {
  const Term* sole = nullptr;
  for (const Term& t : e.node()->terms) {
    for (const AtomPower& f : t.monomial->factors) {
      if (f.atom->kind != kind) continue;
      if (sole || t.monomial->degree != 1 || t.coefficient < 1) return nullptr;
      sole = &t;
    }
  }
  return sole;
}

// min(k*min(a, b) + r, c) -> the list k*a + r, k*b + r, c.
void flatten(Atom::Kind kind, std::vector<Expr>& args) {
  for (size_t i = 0; i < args.size() && args.size() < kMaxArgs;) {
    const Term* inner = soleExtremum(kind, args[i]);
    if (!inner) {
      ++i;
      continue;
    }
    Expr rest = args[i] - exprOfTerm(*inner), times(inner->coefficient);
    args.erase(args.begin() + static_cast<std::ptrdiff_t>(i));
    for (Expr arg : inner->monomial->factors.front().atom->args) args.push_back(times * arg + rest);
  }
}

// Drops every argument that differs from another by a constant and loses.
void dropDecided(Atom::Kind kind, std::vector<Expr>& args) {
  for (size_t i = 0; i < args.size(); ++i) {
    for (size_t j = i + 1; j < args.size();) {
      std::optional<int64_t> difference = (args[i] - args[j]).constant();
      if (!difference) {
        ++j;
        continue;
      }
      if ((kind == Atom::Kind::kMin) == (*difference > 0)) args[i] = args[j];
      args.erase(args.begin() + static_cast<std::ptrdiff_t>(j));
    }
  }
}

// For each monomial the least coefficient that any argument gives it (0 if absent), as a sum.
Expr commonPart(const std::vector<Expr>& args) {
  Expr common;
  auto visit = [&](const Monomial* monomial) {
    int64_t least = INT64_MAX;
    for (Expr arg : args) {
      int64_t coefficient = 0;
      for (const Term& t : arg.node()->terms)
        if (t.monomial == monomial) coefficient = t.coefficient;
      least = std::min(least, coefficient);
    }
    return least;
  };
  std::vector<const Monomial*> seen;
  for (Expr arg : args) {
    for (const Term& t : arg.node()->terms) {
      if (std::find(seen.begin(), seen.end(), t.monomial) != seen.end()) continue;
      seen.push_back(t.monomial);
      int64_t least = visit(t.monomial);
      if (least != 0) common += exprOfTerm({t.monomial, least});
    }
  }
  return common;
}

}  // namespace

// Invariant under adding the same expression to all arguments and under scaling them by the same positive number:
//   min(2*n + 6, 4*m + 2) = 2 + 2*min(n + 2, 2*m);  max(n - m, 0) = max(n, m) - m.
Expr extremum(Atom::Kind kind, std::vector<Expr> args) {
  Expr shift, scale(1);
  for (;;) {
    for (Expr arg : args)
      if (arg.node()->poisoned) return poisonedExpr();
    size_t before = args.size();
    flatten(kind, args);
    if (args.size() >= kMaxArgs) return poisonedExpr();
    dropDecided(kind, args);
    if (args.size() == 1) return shift + scale * args[0];
    Expr common = commonPart(args);
    if (common != Expr()) {
      for (Expr& arg : args) arg -= common;
      shift += scale * common;
    }
    uint64_t g = 0;
    for (Expr arg : args)
      for (const Term& t : arg.node()->terms) g = std::gcd(g, static_cast<uint64_t>(t.coefficient));
    if (g > 1 && g <= INT64_MAX) {
      for (Expr& arg : args) arg = divide(arg, Expr(static_cast<int64_t>(g))).quotient;
      scale *= Expr(static_cast<int64_t>(g));
    }
    if (common == Expr() && g <= 1 && before == args.size()) break;
  }
  std::sort(args.begin(), args.end(), [](Expr a, Expr b) { return Expr::compare(a, b) > 0; });
  return shift + scale * exprOfAtom(internAtom(kind, "", std::move(args)));
}

}  // namespace shardwright
