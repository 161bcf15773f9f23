// The text form of shardings; the grammar is in README.md.
#include <cctype>

#include "compiler/dist/sharding.h"

namespace shardwright {
namespace {

constexpr std::string_view kCombinerNames[] = {"none", "sum", "max", "min", "prod"};

// An integer or a symbol as it is, everything else in parentheses.
std::string atom(Expr e) {
  std::string text = e.str();
  bool plain = e.isSymbol() || (e.constant() && *e.constant() >= 0);
  return plain ? text : "(" + text + ")";
}

std::string axesText(llvm::ArrayRef<SubAxis> axes, const Mesh& mesh) {
  std::string text = "{";
  for (const SubAxis& sub : axes) text += (text.size() > 1 ? "," : "") + mesh.str(sub);
  return text + "}";
}

class Reader {
 public:
  Reader(std::string_view text, const Mesh& mesh) : text_(text), mesh_(mesh) {}

  StatusOr<Sharding> sharding() {
    Sharding s;
    if (!accept("[")) return failed("expected [");
    if (!accept("]")) {
      do {
        SW_ASSIGN_OR_RETURN(DimSharding d, dim());
        s.dims.push_back(std::move(d));
      } while (accept(","));
      if (!accept("]")) return failed("expected , or ]");
    }
    if (accept("partial")) {
      if (!accept("=")) return failed("expected =");
      for (int kind = 1; kind < 5 && s.combiner == PartialKind::kNone; ++kind)
        if (accept(kCombinerNames[kind])) s.combiner = static_cast<PartialKind>(kind);
      if (s.combiner == PartialKind::kNone) return failed("expected sum, max, min or prod");
      SW_ASSIGN_OR_RETURN(s.partial, axes());
    }
    skipBlanks();
    if (position_ != text_.size()) return failed("expected the end");
    return s;
  }

 private:
  Status failed(const std::string& what) const {
    return userError("sharding \"" + std::string(text_) + "\", character " + std::to_string(position_ + 1) + ": " +
                     what);
  }
  void skipBlanks() {
    while (position_ < text_.size() && text_[position_] == ' ') ++position_;
  }
  bool at(char c) const { return position_ < text_.size() && text_[position_] == c; }
  bool accept(std::string_view word) {
    skipBlanks();
    if (text_.substr(position_, word.size()) != word) return false;
    position_ += word.size();
    return true;
  }

  StatusOr<DimSharding> dim() {
    DimSharding d;
    skipBlanks();
    if (at('_') && (position_ + 1 == text_.size() || !isNameChar(text_[position_ + 1]))) {
      ++position_;
      return d;
    }
    do {
      DimSplit split;
      SW_ASSIGN_OR_RETURN(split.extent, size());
      split.granules = 1;
      if (accept("{")) {
        --position_;
        SW_ASSIGN_OR_RETURN(split.axes, axes());
        split.granules = sizeOf(split.axes);
        if (accept("/")) {
          SW_ASSIGN_OR_RETURN(split.granules, size());
        }
      }
      d.factors.push_back(std::move(split));
    } while (accept("*"));
    return d;
  }

  StatusOr<AxisList> axes() {
    AxisList list;
    if (!accept("{")) return failed("expected {");
    do {
      skipBlanks();
      size_t begin = position_;
      while (position_ < text_.size() && !at(',') && !at('}')) ++position_;
      StatusOr<SubAxis> sub = mesh_.parseSubAxis(text_.substr(begin, position_ - begin));
      if (!sub.ok()) return failed(sub.status().message());
      list.push_back(*sub);
    } while (accept(","));
    if (!accept("}")) return failed("expected , or }");
    return list;
  }

  static bool isNameChar(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || std::string_view("_.:/@%").find(c) != std::string_view::npos;
  }
  void skipQuoted() {
    size_t close = text_.find('`', position_ + 1);
    position_ = close == std::string_view::npos ? text_.size() : close + 1;
  }

  // An atom: an integer, a symbol, or an expression in parentheses.
  StatusOr<Expr> size() {
    skipBlanks();
    size_t begin = position_;
    if (at('(')) {
      int depth = 0;
      do {
        if (at('`')) {
          skipQuoted();
          continue;
        }
        depth += at('(') ? 1 : at(')') ? -1 : 0;
        ++position_;
      } while (position_ < text_.size() && depth > 0);
    } else if (at('`')) {
      while (at('`')) skipQuoted();  // a doubled back quote is one inside the name
    } else if (position_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[position_]))) {
      while (position_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[position_]))) ++position_;
    } else {
      while (position_ < text_.size() && isNameChar(text_[position_])) ++position_;
    }
    if (begin == position_) return failed("expected _, a size, a symbol or an expression in parentheses");
    StatusOr<Expr> e = Expr::parse(text_.substr(begin, position_ - begin));
    if (!e.ok()) return failed(e.status().message());
    return e;
  }

  std::string_view text_;
  const Mesh& mesh_;
  size_t position_ = 0;
};

}  // namespace

std::string str(const Sharding& s, const Mesh& mesh) {
  std::string text = "[";
  for (const DimSharding& d : s.dims) {
    if (text.size() > 1) text += ", ";
    if (d.factors.empty()) text += "_";
    for (const DimSplit& split : d.factors) {
      if (&split != d.factors.begin()) text += "*";
      text += atom(split.extent);
      if (split.axes.empty()) continue;
      text += axesText(split.axes, mesh);
      if (split.granules != Expr(sizeOf(split.axes))) text += "/" + atom(split.granules);
    }
  }
  text += "]";
  if (!s.partial.empty())
    text += " partial=" + std::string(kCombinerNames[static_cast<int>(s.combiner)]) + axesText(s.partial, mesh);
  return text;
}

StatusOr<Sharding> parseSharding(std::string_view text, const Mesh& mesh) { return Reader(text, mesh).sharding(); }

}  // namespace shardwright
