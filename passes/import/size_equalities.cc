#include "passes/import/size_equalities.h"

#include <algorithm>
#include <functional>
#include <limits>

#include "compiler/dist/module_symbols.h"
#include "compiler/dist/tensor_type.h"
#include "mlir/IR/AttrTypeSubElements.h"

namespace shardwright {
namespace {

struct Definition {
  std::string symbol;
  Expr value;
};

// symbol = value from a = b, if the symbol has the coefficient 1 or -1 in a - b and does not occur otherwise.
std::optional<Definition> solveFor(const std::string& symbol, Expr a, Expr b) {
  Expr difference = a - b;
  Expr rest = difference.substitute({{symbol, Expr(0)}});
  for (int64_t sign : {1, -1}) {
    if (difference != rest + Expr(sign) * Expr::symbol(symbol)) continue;
    if (!rest.symbols().count(symbol)) return Definition{symbol, Expr(-sign) * rest};
  }
  return std::nullopt;
}

bool isOfInputs(const std::string& symbol) { return symbol[0] != '@' && symbol[0] != '%'; }

// A side that is a bare symbol first: it is the one that the exporter left unrelated. Of two, the one later in the alphabet.
std::optional<Definition> solve(Expr a, Expr b) {
  std::vector<std::string> candidates;
  if (b.isSymbol()) candidates.push_back(b.symbolName());
  if (a.isSymbol()) candidates.push_back(a.symbolName());
  std::sort(candidates.rbegin(), candidates.rend());
  for (const std::string& symbol : (a - b).symbols()) candidates.push_back(symbol);
  for (const std::string& symbol : candidates)
    if (isOfInputs(symbol))
      if (auto definition = solveFor(symbol, a, b)) return definition;
  return std::nullopt;
}

// The number c for which e = sign·(max(symbol, c) - c), which is what a symbol in e exceeds c by; nothing if e is no such thing.
std::optional<int64_t> exceeds(Expr e, Expr symbol, int64_t sign) {
  constexpr int64_t kLarge = int64_t{1} << 40;
  Expr atLarge = e.substitute({{symbol.symbolName(), Expr(kLarge)}});
  if (!atLarge.isConstant()) return std::nullopt;
  int64_t c = kLarge - sign * *atLarge.constant();
  return c > 0 && e == Expr(sign) * (Expr::max(symbol, Expr(c)) - Expr(c)) ? std::optional(c) : std::nullopt;
}

// symbol = min(symbol, 512), from a table of 512 positions that is cut to a sequence, bounds the symbol from above, and so does
// symbol = symbol - max(symbol, 512) + 512, where the table is cut at its other end;
// 1 = min(symbol, 1), from the last position of a sequence, from below.
struct Bound {
  std::string symbol;
  int64_t min = 0;
  int64_t max = std::numeric_limits<int64_t>::max();
};
std::optional<Bound> boundFrom(Expr a, Expr b, const Facts& facts) {
  for (const std::string& name : (a - b).symbols())
    for (int64_t sign : {1, -1})
      if (std::optional<int64_t> max = exceeds(a - b, Expr::symbol(name), sign); max && isOfInputs(name))
        return Bound{name, 0, *max};
  for (auto [symbol, least] : {std::make_pair(a, b), std::make_pair(b, a)}) {
    int64_t max = facts.upperBound(least);
    if (symbol.isSymbol() && isOfInputs(symbol.symbolName()) && least == Expr::min(symbol, Expr(max)))
      return Bound{symbol.symbolName(), 0, max};
    if (symbol.isConstant() && least.symbols().size() == 1 && isOfInputs(*least.symbols().begin())) {
      const Expr one = Expr::symbol(*least.symbols().begin());
      if (least == Expr::min(one, symbol) || least == one + symbol - Expr::max(one, symbol))
        return Bound{one.symbolName(), *symbol.constant()};
    }
  }
  return std::nullopt;
}

// The least value of the only symbol from which on the sides are equal, where right below it they are not:
// max(floordiv(s, 20), 1) = floordiv(s, 20) from 20 on.
std::optional<Bound> leastFrom(Expr a, Expr b, const Facts& facts) {
  constexpr int64_t kLarge = int64_t{1} << 20;
  Expr difference = a - b;
  if (difference.symbols().size() != 1 || !isOfInputs(*difference.symbols().begin())) return std::nullopt;
  const std::string symbol = *difference.symbols().begin();
  auto areEqualFrom = [&](int64_t min) {
    Facts bounded = facts;
    SymbolRange range = facts.range(symbol);
    range.min = min;
    bounded.setRange(symbol, range);
    return bounded.provablyEqual(a, b);
  };
  int64_t low = facts.range(symbol).min, high = std::min(facts.range(symbol).max, kLarge);
  if (low >= high || !areEqualFrom(high)) return std::nullopt;
  while (low < high) {
    int64_t middle = low + (high - low) / 2;
    if (areEqualFrom(middle))
      high = middle;
    else
      low = middle + 1;
  }
  if (difference.substitute({{symbol, Expr(low - 1)}}) == Expr(0)) return std::nullopt;
  return Bound{symbol, low};
}

void takeBound(mlir::ModuleOp module, const Bound& bound) {
  std::vector<SymbolInfo> symbols = symbolsOf(module);
  for (SymbolInfo& symbol : symbols) {
    if (symbol.name != bound.symbol) continue;
    symbol.range.min = std::max(symbol.range.min, bound.min);
    symbol.range.max = std::min(symbol.range.max, bound.max);
    symbol.assumed = std::max(std::min(symbol.assumed, symbol.range.max), symbol.range.min);
  }
  setSymbols(module, symbols);
}

void rewriteEverywhere(mlir::ModuleOp module, const std::function<Expr(Expr)>& rewrite) {
  auto replaced = [&](mlir::Attribute attr) {
    Exprs exprs;
    for (const Expr& e : exprsOf(attr)) exprs.push_back(rewrite(e));
    return exprs;
  };
  mlir::AttrTypeReplacer replacer;
  replacer.addReplacement([&](mlir::Attribute attr) -> std::optional<mlir::Attribute> {
    if (!isExprsAttr(attr)) return std::nullopt;
    return exprsAttr(attr.getContext(), replaced(attr));
  });
  // A dim may become a number, so the type is made anew.
  replacer.addReplacement([&](mlir::RankedTensorType type) -> std::optional<mlir::Type> {
    if (!type.getEncoding() || !isExprsAttr(type.getEncoding())) return std::nullopt;
    return tensorType(replaced(type.getEncoding()), type.getElementType());
  });
  module->walk([&](mlir::Operation* op) {
    replacer.replaceElementsIn(op, /*replaceAttrs=*/true, /*replaceLocs=*/false, /*replaceTypes=*/true);
  });
}

// The upper bound of total = past + new holds for past and for new, sizes not being negative.
void takeOutSymbol(mlir::ModuleOp module, const Definition& definition, const Facts& facts) {
  std::vector<SymbolInfo> symbols = symbolsOf(module);
  auto it =
      std::find_if(symbols.begin(), symbols.end(), [&](const SymbolInfo& s) { return s.name == definition.symbol; });
  if (it == symbols.end()) return;
  int64_t max = it->range.max;
  symbols.erase(it);
  for (SymbolInfo& symbol : symbols) {
    Expr rest = definition.value - Expr::symbol(symbol.name);
    if (rest.symbols().count(symbol.name) || facts.lowerBound(rest) < 0) continue;
    symbol.range.max = std::min(symbol.range.max, max);
    symbol.assumed = std::min(symbol.assumed, symbol.range.max);
  }
  setSymbols(module, symbols);
}

}  // namespace

Status stateEqualities(mlir::ModuleOp module, const std::vector<SizeEquality>& equalities, Facts& facts) {
  for (const SizeEquality& equality : equalities) {
    Expr a = facts.simplify(equality.a), b = facts.simplify(equality.b);
    if (facts.provablyEqual(a, b)) continue;
    std::optional<Definition> definition;
    std::optional<Bound> bound = boundFrom(a, b, facts);
    if (!bound) definition = solve(a, b);
    if (!bound && !definition) bound = leastFrom(a, b, facts);
    if (bound) {
      takeBound(module, *bound);
      facts = factsOf(module);
      rewriteEverywhere(module, [&](Expr e) { return facts.simplify(e); });
      continue;
    }
    if (!definition)
      return userError("sizes " + a.str() + " and " + b.str() +
                       " must be equal, and cannot be proven to be; fix one of their symbols with --dim");
    std::map<std::string, Expr> replacements{{definition->symbol, definition->value}};
    rewriteEverywhere(module, [&](Expr e) { return e.substitute(replacements); });
    takeOutSymbol(module, *definition, facts);
    addEquality(module, definition->symbol, definition->value);
    facts = factsOf(module);
  }
  return {};
}

}  // namespace shardwright
