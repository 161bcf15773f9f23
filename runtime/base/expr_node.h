// Owns what an expression is made of: interned atoms, monomials and nodes, for the few who walk an expression's structure
// (arithmetic, printing, facts, the plan's evaluator). Everybody else uses expr.h only.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/base/expr.h"

namespace shardwright {

// What a monomial multiplies: a symbol, or a call that cannot be simplified. Interned: equal atoms are one object.
struct Atom {
  enum class Kind : uint8_t { kSymbol, kFloorDiv, kMin, kMax };
  Kind kind;
  std::string name;        // of a symbol
  std::vector<Expr> args;  // of a call: two for floordiv, two or more, sorted, for min and max
  size_t hash;
};

struct AtomPower {
  const Atom* atom;
  int power;  // at least 1
};

// A product of atoms' powers, sorted by compareAtoms; no factors: 1. Interned.
struct Monomial {
  std::vector<AtomPower> factors;
  int degree;
  size_t hash;
};

struct Term {
  const Monomial* monomial;
  int64_t coefficient;  // never 0
};

// A sum of terms, the greatest monomial first (so that the constant is last); no terms: 0. Interned.
struct Expr::Node {
  std::vector<Term> terms;
  bool poisoned;  // 64 bits overflowed, or a division by a constant below 1; has no terms
  size_t hash;
};

// Graded order of monomials that respects multiplication, so that polynomial division ends and is unique; the same in
// every process.
int compareAtoms(const Atom* a, const Atom* b);
int compareMonomials(const Monomial* a, const Monomial* b);

const Atom* internAtom(Atom::Kind kind, std::string name, std::vector<Expr> args);
const Monomial* internMonomial(std::vector<AtomPower> factors);  // sorted
Expr internSum(std::vector<Term> terms);                         // sorted, no zero coefficients
Expr poisonedExpr();

Expr exprOfAtom(const Atom* atom);
Expr exprOfTerm(const Term& term);

// a = quotient * divisor + remainder, where no term of the remainder could be reduced further by the divisor's leading
// term (coefficients are brought into [0, |leading coefficient|)); unique. divisor is neither 0 nor poisoned.
struct Division {
  Expr quotient, remainder;
};
Division divide(Expr a, Expr divisor);

// min or max of at least one expression.
Expr extremum(Atom::Kind kind, std::vector<Expr> args);

// 64-bit floor division, b >= 1.
inline int64_t floorDivide(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

}  // namespace shardwright
