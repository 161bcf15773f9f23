// Owns integer expressions over named symbols: the sizes, offsets and strides of everything whose value is known only
// when a plan runs. It does not own what is known about the symbols; see facts.h.
//
// Grammar of the text form (str() prints it, parse() reads it; parse(str(e)) == e):
//   expr   := term (("+" | "-") term)*
//   term   := factor ("*" factor)*
//   factor := integer | symbol | call | "(" expr ")" | "-" factor
//   call   := ("floordiv" | "ceildiv" | "mod") "(" expr "," expr ")" | ("min" | "max") "(" expr ("," expr)+ ")"
//   symbol := [A-Za-z_@%][A-Za-z0-9_.:/@%]*      any other name is written in back quotes: `past len`,
//                                                a back quote in it doubled
// "@tp" is the rank's coordinate on mesh axis tp, 0 … size-1; "%name" is bound by a step while the plan runs; every other
// symbol is a dimension of the model's inputs (an ONNX dim_param).
//
// Canonical form: a sum of monomials (integer coefficient × product of atoms with powers) in one fixed order. An atom is a
// symbol, or a floordiv, min or max that cannot be simplified. ceildiv(a,b) is kept as floordiv(a+b-1, b) and mod(a,b) as
// a - b*floordiv(a,b). Divisors, and the symbols that are factors of them, are positive wherever it is evaluated. Two expressions that have the same canonical form are equal;
// floordiv(B*S, B) is S, floordiv(6*n + 3, 2) is 3*n + 1, max(3, 5) is 5.
//
// Nodes are interned for the life of the process: copying is copying a pointer, == compares pointers, and any thread may
// build or read expressions. Overflow of 64 bits while building, division by a constant below 1, and more than 1024 terms
// give a poisoned expression, printed as floordiv(1, 0), that fails evaluate().
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"

namespace shardwright {

// Values of symbols by name.
using Bindings = std::map<std::string, int64_t, std::less<>>;

class Expr {
 public:
  struct Node;

  Expr() : Expr(int64_t{0}) {}
  Expr(int64_t constant);  // NOLINT: a number is an expression
  Expr(int constant) : Expr(static_cast<int64_t>(constant)) {}
  static Expr symbol(std::string_view name);
  static StatusOr<Expr> parse(std::string_view text);

  friend Expr operator+(Expr a, Expr b);
  friend Expr operator-(Expr a, Expr b);
  friend Expr operator*(Expr a, Expr b);
  Expr& operator+=(Expr b) { return *this = *this + b; }
  Expr& operator-=(Expr b) { return *this = *this - b; }
  Expr& operator*=(Expr b) { return *this = *this * b; }

  static Expr floorDiv(Expr a, Expr b);
  static Expr ceilDiv(Expr a, Expr b);
  static Expr mod(Expr a, Expr b);
  static Expr min(Expr a, Expr b);
  static Expr max(Expr a, Expr b);

  // The quotient if this is q*d for some polynomial q with integer coefficients: (2*B*S + 4*B).dividedBy(2*B) is S + 2;
  // (S+1).dividedBy(2) is nothing.
  std::optional<Expr> dividedBy(Expr d) const;

  bool isConstant() const;
  std::optional<int64_t> constant() const;
  bool isSymbol() const;           // exactly one symbol
  std::string symbolName() const;  // requires isSymbol()
  // All symbols in it, by name, in order.
  std::set<std::string> symbols() const;

  // Replaces symbols; those absent from the map stay.
  Expr substitute(const std::map<std::string, Expr>& replacements) const;

  // kUserError that names the symbol if one is unbound; kUserError on overflow or division by a value < 1.
  StatusOr<int64_t> evaluate(const Bindings& bindings) const;

  std::string str() const;

  // The numbers' and the atoms' order, the same in every process: for sorting, not a numeric comparison.
  static int compare(Expr a, Expr b);
  friend bool operator==(Expr a, Expr b) { return a.node_ == b.node_; }
  friend bool operator!=(Expr a, Expr b) { return a.node_ != b.node_; }
  size_t hash() const { return std::hash<const void*>()(node_); }

  const Node* node() const { return node_; }
  explicit Expr(const Node* node) : node_(node) {}

 private:
  const Node* node_;  // interned, never null, never freed
};

// The product of all, 1 for none.
Expr product(const std::vector<Expr>& factors);

}  // namespace shardwright

template <>
struct std::hash<shardwright::Expr> {
  size_t operator()(shardwright::Expr e) const { return e.hash(); }
};
