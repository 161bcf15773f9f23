#include <algorithm>
#include <cctype>
#include <map>

#include "compiler/ops/rule.h"

namespace shardwright {
namespace {

// A factor's occurrence in the text, before sizes are known.
struct FactorToken {
  std::string name;
  char mark = 0;  // '!', '@', '~'
  std::string size, combiner;
};
struct DimToken {
  enum Kind { kEllipsis, kOne, kFactors } kind = kFactors;
  std::vector<FactorToken> factors;
};
struct TensorTokens {
  bool absent = false;
  std::vector<DimToken> dims;
};

class RuleLexer {
 public:
  explicit RuleLexer(std::string_view text) : text_(text) {}

  StatusOr<std::pair<std::vector<TensorTokens>, std::vector<TensorTokens>>> rule() {
    SW_ASSIGN_OR_RETURN(auto operands, tensors());
    if (text_.substr(position_, 2) != "->") return failed("expected ->");
    position_ += 2;
    SW_ASSIGN_OR_RETURN(auto results, tensors());
    if (position_ != text_.size()) return failed("expected the end");
    return std::make_pair(std::move(operands), std::move(results));
  }

 private:
  Status failed(const std::string& what) const {
    return internalError("rule \"" + std::string(text_) + "\", character " + std::to_string(position_ + 1) + ": " +
                         what);
  }
  void skipBlanks() {
    while (position_ < text_.size() && text_[position_] == ' ') ++position_;
  }
  bool accept(std::string_view word) {
    if (text_.substr(position_, word.size()) != word) return false;
    position_ += word.size();
    return true;
  }
  bool atArrow() const { return text_.substr(position_, 2) == "->"; }

  StatusOr<std::vector<TensorTokens>> tensors() {
    std::vector<TensorTokens> list;
    skipBlanks();
    if (position_ == text_.size()) return list;
    while (true) {
      SW_ASSIGN_OR_RETURN(TensorTokens tensor, oneTensor());
      list.push_back(std::move(tensor));
      if (!accept(",")) return list;
    }
  }

  StatusOr<TensorTokens> oneTensor() {
    TensorTokens tensor;
    skipBlanks();
    if (!atArrow() && accept("-")) {
      tensor.absent = true;
      skipBlanks();
      return tensor;
    }
    while (position_ < text_.size() && text_[position_] != ',' && !atArrow()) {
      SW_ASSIGN_OR_RETURN(DimToken dim, oneDim());
      tensor.dims.push_back(std::move(dim));
      skipBlanks();
    }
    return tensor;
  }

  StatusOr<DimToken> oneDim() {
    DimToken dim;
    if (accept("...")) {
      dim.kind = DimToken::kEllipsis;
    } else if (accept("1")) {
      dim.kind = DimToken::kOne;
    } else if (accept("(")) {
      skipBlanks();
      while (!accept(")")) {
        SW_ASSIGN_OR_RETURN(FactorToken factor, oneFactor());
        dim.factors.push_back(std::move(factor));
        skipBlanks();
      }
      if (dim.factors.empty()) return failed("empty dim");
    } else {
      SW_ASSIGN_OR_RETURN(FactorToken factor, oneFactor());
      dim.factors.push_back(std::move(factor));
    }
    return dim;
  }

  StatusOr<FactorToken> oneFactor() {
    FactorToken factor;
    if (position_ < text_.size() && std::string_view("!@~").find(text_[position_]) != std::string_view::npos)
      factor.mark = text_[position_++];
    factor.name = word();
    if (factor.name.empty() || !std::isalpha(static_cast<unsigned char>(factor.name[0])))
      return failed("expected a factor");
    if (accept("=")) {
      if (accept("{")) {
        size_t end = text_.find('}', position_);
        if (end == std::string_view::npos) return failed("expected }");
        factor.size = std::string(text_.substr(position_, end - position_));
        position_ = end + 1;
      } else {
        factor.size = word();
      }
      if (factor.size.empty()) return failed("expected a size");
    }
    if (accept(":")) factor.combiner = word();
    return factor;
  }

  std::string word() {
    size_t begin = position_;
    while (position_ < text_.size() && std::isalnum(static_cast<unsigned char>(text_[position_]))) ++position_;
    return std::string(text_.substr(begin, position_ - begin));
  }

  std::string_view text_;
  size_t position_ = 0;
};

std::optional<PartialKind> combinerFromName(std::string_view name) {
  if (name == "sum") return PartialKind::kSum;
  if (name == "max") return PartialKind::kMax;
  if (name == "min") return PartialKind::kMin;
  if (name == "prod") return PartialKind::kProd;
  return std::nullopt;
}

bool isOne(Expr e) { return e == Expr(1); }

// Builds the Rule from tokens and shapes. Worked example: "(b s) d -> b s d" with operand [batch*sequence, 768] and result
// [batch, sequence, 768]: factors b, s, d get their sizes from the result's dims, and batch*sequence is checked against them.
class RuleBuilder {
 public:
  RuleBuilder(std::string_view text, const Facts& facts) : text_(text), facts_(facts) {}

  StatusOr<Rule> build(const std::vector<TensorTokens>& operandTokens, const std::vector<TensorTokens>& resultTokens,
                       llvm::ArrayRef<TensorShape> operands, llvm::ArrayRef<TensorShape> results) {
    if (operandTokens.size() > operands.size() || resultTokens.size() > results.size())
      return failed("has " + std::to_string(operandTokens.size()) + " operands and " +
                    std::to_string(resultTokens.size()) + " results, the op has " + std::to_string(operands.size()) +
                    " and " + std::to_string(results.size()));
    SW_RETURN_IF_ERROR(collectEllipsis(operandTokens, operands));
    SW_RETURN_IF_ERROR(collectEllipsis(resultTokens, results));
    SW_RETURN_IF_ERROR(addTensors(operandTokens, operands, rule_.operands, false));
    SW_RETURN_IF_ERROR(addTensors(resultTokens, results, rule_.results, true));
    SW_RETURN_IF_ERROR(solveSizes());
    classify();
    return std::move(rule_);
  }

 private:
  Status failed(const std::string& what) const { return internalError("rule \"" + std::string(text_) + "\" " + what); }

  static int ellipsisRank(const TensorTokens& tokens, const TensorShape& shape) {
    int named = 0;
    bool found = false;
    for (const DimToken& dim : tokens.dims) dim.kind == DimToken::kEllipsis ? found = true : (++named, found);
    return found ? static_cast<int>(shape.dims.size()) - named : -1;
  }

  // Position p of "..." counts from the right; its size is the first dim there that is not 1.
  Status collectEllipsis(const std::vector<TensorTokens>& tokens, llvm::ArrayRef<TensorShape> shapes) {
    for (size_t t = 0; t < tokens.size(); ++t) {
      int count = ellipsisRank(tokens[t], shapes[t]);
      if (count == -1 || tokens[t].absent || shapes[t].dtype == DType::kUndefined) continue;
      if (count < 0) return failed("names more dims than tensor " + std::to_string(t) + " has");
      size_t first = 0;
      while (tokens[t].dims[first].kind != DimToken::kEllipsis) ++first;
      for (int p = 0; p < count; ++p) {
        Expr dim = shapes[t].dims[first + count - 1 - p];
        if (static_cast<int>(ellipsis_.size()) <= p) ellipsis_.resize(p + 1, Expr(1));
        if (isOne(ellipsis_[p])) ellipsis_[p] = dim;
      }
    }
    return Status();
  }

  int factorIndex(const FactorToken& token) {
    auto [it, isNew] = index_.try_emplace(token.name, static_cast<int>(rule_.factors.size()));
    if (isNew) {
      rule_.factors.push_back({token.name, Expr(0), FactorKind::kPass, PartialKind::kSum});
      known_.push_back(false);
      marks_.push_back(0);
      combiners_.emplace_back();
      inOperands_.push_back(false);
      inResults_.push_back(false);
    }
    int f = it->second;
    if (token.mark) marks_[f] = token.mark;
    if (!token.combiner.empty()) combiners_[f] = token.combiner;
    return f;
  }

  Status setSize(int f, Expr size) {
    if (!known_[f]) {
      known_[f] = true;
      rule_.factors[f].size = size;
      return Status();
    }
    auto a = rule_.factors[f].size.constant(), b = size.constant();
    if (a && b && *a != *b)
      return failed("gives factor " + rule_.factors[f].name + " the sizes " + std::to_string(*a) + " and " +
                    std::to_string(*b));
    if (b) rule_.factors[f].size = size;  // a number says more than an expression that equals it at run time
    return Status();
  }

  Status addTensors(const std::vector<TensorTokens>& tokens, llvm::ArrayRef<TensorShape> shapes,
                    std::vector<FactorTensor>& tensors, bool isResult) {
    for (size_t t = 0; t < shapes.size(); ++t) {
      FactorTensor tensor;
      if (t >= tokens.size() || tokens[t].absent || shapes[t].dtype == DType::kUndefined) {
        if (shapes[t].dtype == DType::kUndefined) {
          tensor.absent = true;
        } else if (t < tokens.size() || !shapes[t].dims.empty()) {
          return failed("does not describe tensor " + std::to_string(t));
        }
      } else {
        SW_RETURN_IF_ERROR(addTensor(tokens[t], shapes[t], tensor, isResult, t));
      }
      tensors.push_back(std::move(tensor));
    }
    return Status();
  }

  Status addTensor(const TensorTokens& tokens, const TensorShape& shape, FactorTensor& tensor, bool isResult,
                   size_t number) {
    int ellipsis = std::max(0, ellipsisRank(tokens, shape));
    size_t position = 0;
    for (const DimToken& dim : tokens.dims) {
      if (dim.kind == DimToken::kEllipsis) {
        for (int p = ellipsis - 1; p >= 0; --p, ++position) {
          FactorDim factors;
          if (position >= shape.dims.size())
            return failed("names more dims than tensor " + std::to_string(number) + " has");
          if (!isOne(shape.dims[position]) && !isOne(ellipsis_[p])) {
            int f = factorIndex({"e" + std::to_string(p), 0, "", ""});
            note(f, isResult);
            SW_RETURN_IF_ERROR(setSize(f, shape.dims[position]));
            factors.push_back(f);
          }
          tensor.dims.push_back(factors);
        }
        continue;
      }
      if (position >= shape.dims.size())
        return failed("names more dims than tensor " + std::to_string(number) + " has");
      FactorDim factors;
      for (const FactorToken& token : dim.factors) {
        int f = factorIndex(token);
        note(f, isResult);
        if (!token.size.empty()) {
          SW_ASSIGN_OR_RETURN(Expr size, Expr::parse(token.size));
          SW_RETURN_IF_ERROR(setSize(f, size));
        }
        factors.push_back(f);
      }
      if (factors.size() == 1) SW_RETURN_IF_ERROR(setSize(factors[0], shape.dims[position]));
      if (factors.size() > 1) compounds_.push_back({factors, shape.dims[position]});
      tensor.dims.push_back(factors);
      ++position;
    }
    if (position != shape.dims.size())
      return failed("names " + std::to_string(position) + " dims of tensor " + std::to_string(number) + ", which has " +
                    std::to_string(shape.dims.size()));
    return Status();
  }

  void note(int f, bool isResult) { (isResult ? inResults_ : inOperands_)[f] = true; }

  Status solveSizes() {
    bool changed = true;
    while (changed) {
      changed = false;
      for (auto& [factors, dim] : compounds_) {
        int unknown = -1, numUnknown = 0;
        Expr known = 1;
        for (int f : factors) known_[f] ? known *= rule_.factors[f].size : (unknown = f, ++numUnknown, known);
        if (numUnknown != 1) continue;
        std::optional<Expr> rest = facts_.simplify(dim).dividedBy(facts_.simplify(known));
        rule_.factors[unknown].size = rest ? *rest : Expr::floorDiv(dim, known);
        known_[unknown] = changed = true;
      }
    }
    for (size_t f = 0; f < known_.size(); ++f)
      if (!known_[f]) return failed("leaves the size of factor " + rule_.factors[f].name + " open");
    for (auto& [factors, dim] : compounds_) {
      Expr all = 1;
      for (int f : factors) all *= rule_.factors[f].size;
      auto a = all.constant(), b = dim.constant();
      if (a && b && *a != *b)
        return failed("makes a dim of " + std::to_string(*b) + " from factors of " + std::to_string(*a));
    }
    return Status();
  }

  void classify() {
    for (size_t f = 0; f < rule_.factors.size(); ++f) {
      Factor& factor = rule_.factors[f];
      factor.combiner = combinerFromName(combiners_[f]).value_or(PartialKind::kSum);
      if (marks_[f] == '!')
        factor.kind = FactorKind::kWhole;
      else if (marks_[f] == '@')
        factor.kind = FactorKind::kDecomposed;
      else if (marks_[f] == '~')
        factor.kind = FactorKind::kHalo;
      else if (!inResults_[f])
        factor.kind = FactorKind::kReduced;
      else if (!inOperands_[f])
        factor.kind = FactorKind::kBroadcast;
    }
  }

  std::string_view text_;
  const Facts& facts_;
  Rule rule_;
  Exprs ellipsis_;
  std::map<std::string, int> index_;
  std::vector<bool> known_, inOperands_, inResults_;
  std::vector<char> marks_;
  std::vector<std::string> combiners_;
  std::vector<std::pair<FactorDim, Expr>> compounds_;
};

}  // namespace

StatusOr<Rule> parseRule(std::string_view text, llvm::ArrayRef<TensorShape> operands,
                         llvm::ArrayRef<TensorShape> results, const Facts& facts) {
  SW_ASSIGN_OR_RETURN(auto tokens, RuleLexer(text).rule());
  return RuleBuilder(text, facts).build(tokens.first, tokens.second, operands, results);
}

}  // namespace shardwright
