// Owns what is known about symbols (ranges, divisors, equalities) and the proofs drawn from it. Proofs are sound and
// incomplete: "false" means "not proven".
#pragma once

#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/expr.h"

namespace shardwright {

struct SymbolRange {
  int64_t min = 0;
  int64_t max = std::numeric_limits<int64_t>::max();
  int64_t divisor = 1;  // the symbol is a multiple of it
};

class Facts {
 public:
  // Unknown symbols have the default range [0, max]; "@axis" symbols are given theirs by whoever owns the mesh.
  void setRange(const std::string& symbol, SymbolRange range);
  SymbolRange range(const std::string& symbol) const;
  // Declares symbol == e for good, e.g. total_sequence = past_sequence + sequence; e must not contain the symbol.
  void define(const std::string& symbol, Expr e);

  // e with definitions substituted and floordiv, min, max atoms resolved where the ranges decide them.
  Expr simplify(Expr e) const;

  int64_t lowerBound(Expr e) const;  // saturating
  int64_t upperBound(Expr e) const;
  bool provablyEqual(Expr a, Expr b) const;
  bool provablyDivides(int64_t divisor, Expr e) const;
  bool provablyPositive(Expr e) const { return lowerBound(e) >= 1; }

  const std::map<std::string, SymbolRange>& ranges() const { return ranges_; }

 private:
  std::map<std::string, SymbolRange> ranges_;
  std::map<std::string, Expr> definitions_;
};

}  // namespace shardwright
