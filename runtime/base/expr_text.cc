// The text form of expressions: printer and parser.
#include <cctype>

#include "runtime/base/expr_node.h"

namespace shardwright {
namespace {

constexpr int kMaxDepth = 200;  // of nested calls and parentheses in text that may be hostile

bool startsSymbol(char c) { return std::isalpha(static_cast<unsigned char>(c)) || c == '_' || c == '@' || c == '%'; }
bool continuesSymbol(char c) {
  return startsSymbol(c) || std::isdigit(static_cast<unsigned char>(c)) || c == '.' || c == ':' || c == '/';
}

bool isFunction(std::string_view name) {
  return name == "floordiv" || name == "ceildiv" || name == "mod" || name == "min" || name == "max";
}

std::string symbolText(const std::string& name) {
  bool plain = !name.empty() && startsSymbol(name[0]) && !isFunction(name);
  for (char c : name) plain = plain && continuesSymbol(c);
  if (plain) return name;
  std::string quoted = "`";
  for (char c : name) quoted += c == '`' ? std::string("``") : std::string(1, c);
  return quoted + "`";
}

std::string atomText(const Atom* atom) {
  if (atom->kind == Atom::Kind::kSymbol) return symbolText(atom->name);
  std::string text = atom->kind == Atom::Kind::kFloorDiv ? "floordiv("
                     : atom->kind == Atom::Kind::kMin    ? "min("
                                                         : "max(";
  for (size_t i = 0; i < atom->args.size(); ++i) text += (i ? ", " : "") + atom->args[i].str();
  return text + ")";
}

std::string monomialText(const Monomial* monomial) {
  std::string text;
  for (const AtomPower& f : monomial->factors)
    for (int i = 0; i < f.power; ++i) text += (text.empty() ? "" : "*") + atomText(f.atom);
  return text;
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  StatusOr<Expr> whole() {
    SW_ASSIGN_OR_RETURN(Expr e, expr());
    skipSpace();
    if (at_ != text_.size()) return expected("an operator or the end");
    return e;
  }

 private:
  Status expected(const std::string& what) const {
    std::string found = at_ < text_.size() ? "\"" + std::string(text_.substr(at_, 12)) + "\"" : "the end";
    return userError("expression \"" + std::string(text_.substr(0, 200)) + "\", character " + std::to_string(at_ + 1) +
                     ": found " + found + ", expected " + what);
  }

  void skipSpace() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
  }
  bool take(char c) {
    skipSpace();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  StatusOr<Expr> expr() {
    if (++depth_ > kMaxDepth) return expected("at most " + std::to_string(kMaxDepth) + " nested parentheses");
    SW_ASSIGN_OR_RETURN(Expr sum, term());
    for (;;) {
      bool plus = take('+');
      if (!plus && !take('-')) break;
      SW_ASSIGN_OR_RETURN(Expr next, term());
      sum = plus ? sum + next : sum - next;
    }
    --depth_;
    return sum;
  }

  StatusOr<Expr> term() {
    SW_ASSIGN_OR_RETURN(Expr result, factor());
    while (take('*')) {
      SW_ASSIGN_OR_RETURN(Expr next, factor());
      result *= next;
    }
    return result;
  }

  StatusOr<Expr> factor() {
    bool negative = false;
    while (take('-')) negative = !negative;
    skipSpace();
    if (at_ >= text_.size()) return expected("a number, a symbol, a call or \"(\"");
    char c = text_[at_];
    if (std::isdigit(static_cast<unsigned char>(c))) return integer(negative);
    SW_ASSIGN_OR_RETURN(Expr result, primary(c));
    return negative ? Expr(-1) * result : result;
  }

  StatusOr<Expr> primary(char c) {
    if (c == '(') {
      ++at_;
      SW_ASSIGN_OR_RETURN(Expr inner, expr());
      if (!take(')')) return expected("\")\"");
      return inner;
    }
    if (c == '`') return quotedSymbol();
    if (!startsSymbol(c)) return expected("a number, a symbol, a call or \"(\"");
    size_t begin = at_;
    while (at_ < text_.size() && continuesSymbol(text_[at_])) ++at_;
    std::string_view name = text_.substr(begin, at_ - begin);
    if (isFunction(name)) return call(name);
    return Expr::symbol(name);
  }

  StatusOr<Expr> quotedSymbol() {
    std::string name;
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] == '`') {
        ++at_;
        if (at_ >= text_.size() || text_[at_] != '`') return Expr::symbol(name);
      }
      name += text_[at_];
    }
    return expected("a closing back quote");
  }

  StatusOr<Expr> call(std::string_view name) {
    if (!take('(')) return expected("\"(\" after " + std::string(name));
    std::vector<Expr> args;
    do {
      SW_ASSIGN_OR_RETURN(Expr arg, expr());
      args.push_back(arg);
    } while (take(','));
    if (!take(')')) return expected("\",\" or \")\"");
    bool isExtremum = name == "min" || name == "max";
    if (args.size() < 2 || (!isExtremum && args.size() != 2))
      return expected(std::string(name) + (isExtremum ? " of two or more arguments" : " of two arguments") +
                      " before it");
    if (name == "floordiv") return Expr::floorDiv(args[0], args[1]);
    if (name == "ceildiv") return Expr::ceilDiv(args[0], args[1]);
    if (name == "mod") return Expr::mod(args[0], args[1]);
    return extremum(name == "min" ? Atom::Kind::kMin : Atom::Kind::kMax, std::move(args));
  }

  StatusOr<Expr> integer(bool negative) {
    int64_t value = 0;
    for (; at_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[at_])); ++at_) {
      int64_t digit = text_[at_] - '0';  // summed with its sign: the least number has no positive twin
      if (__builtin_mul_overflow(value, int64_t{10}, &value) ||
          __builtin_add_overflow(value, negative ? -digit : digit, &value))
        return expected("a number that fits in 64 bits");
    }
    return Expr(value);
  }

  std::string_view text_;
  size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

StatusOr<Expr> Expr::parse(std::string_view text) { return Parser(text).whole(); }

std::string Expr::str() const {
  if (node_->poisoned) return "floordiv(1, 0)";
  if (node_->terms.empty()) return "0";
  std::string text;
  for (const Term& t : node_->terms) {
    bool minus = t.coefficient < 0 && t.coefficient != INT64_MIN && !text.empty();
    int64_t shown = minus ? -t.coefficient : t.coefficient;
    if (!text.empty()) text += minus ? " - " : " + ";
    std::string atoms = monomialText(t.monomial);
    if (atoms.empty())
      text += std::to_string(shown);
    else if (shown == 1)
      text += atoms;
    else if (shown == -1)
      text += "-" + atoms;
    else
      text += std::to_string(shown) + "*" + atoms;
  }
  return text;
}

}  // namespace shardwright
