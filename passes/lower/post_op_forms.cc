#include "passes/lower/post_op_forms.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace shardwright {
namespace {

constexpr double kTolerance = 2e-5;  // relative: the square root of two as 1.4142
constexpr size_t kMaxTerms = 16;     // of a form that can still be a post-op

bool close(double a, double b) { return std::abs(a - b) <= kTolerance * std::max(std::abs(a), std::abs(b)); }

// A product of atoms, each a number in Forms::atoms_, ascending.
struct Term {
  double factor = 0;
  std::vector<int> atoms;
};
using Sum = std::vector<Term>;  // no two terms of the same atoms, none with factor 0; ascending by atoms

bool same(const Sum& a, const Sum& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const Term& s, const Term& t) { return s.atoms == t.atoms && close(s.factor, t.factor); });
}

// Sums, and the atoms that they are made of: x, the operand, and functions of sums. Equal atoms have one number.
class Forms {
 public:
  static constexpr int kX = 0, kOperand = 1;

  static Sum number(double value) { return value == 0 ? Sum{} : Sum{{value, {}}}; }
  static Sum atom(int number) { return {{1, {number}}}; }
  static std::optional<double> asNumber(const Sum& sum) {
    if (sum.empty()) return 0;
    return sum.size() == 1 && sum[0].atoms.empty() ? std::optional(sum[0].factor) : std::nullopt;
  }

  static Sum add(const Sum& a, const Sum& b, double factor = 1) {
    Sum sum = a;
    for (const Term& term : b) addTerm(sum, {term.factor * factor, term.atoms});
    return sum;
  }
  static Sum mul(const Sum& a, const Sum& b) {
    Sum sum;
    for (const Term& s : a) {
      for (const Term& t : b) {
        Term term{s.factor * t.factor, s.atoms};
        term.atoms.insert(term.atoms.end(), t.atoms.begin(), t.atoms.end());
        std::sort(term.atoms.begin(), term.atoms.end());
        addTerm(sum, term);
      }
    }
    return sum;
  }
  Sum apply(ScalarOp function, const Sum& argument) {
    for (size_t i = 0; i < functions_.size(); ++i)
      if (functions_[i].first == function && same(functions_[i].second, argument)) return atom(static_cast<int>(i) + 2);
    functions_.push_back({function, argument});
    return atom(static_cast<int>(functions_.size()) + 1);
  }
  // 1 / (1 + exp(-a)) is sigmoid(a).
  Sum reciprocal(const Sum& sum) {
    if (std::optional<double> value = asNumber(sum); value && *value != 0) return number(1 / *value);
    bool isOnePlus = sum.size() == 2 && sum[0].atoms.empty() && sum[0].factor == 1 && sum[1].factor == 1 &&
                     sum[1].atoms.size() == 1 && sum[1].atoms[0] >= 2;
    if (isOnePlus) {
      const auto& [function, argument] = functions_[sum[1].atoms[0] - 2];
      if (function == ScalarOp::kExp) return apply(ScalarOp::kSigmoid, add({}, argument, -1));
    }
    return apply(ScalarOp::kReciprocal, sum);
  }

 private:
  static void addTerm(Sum& sum, const Term& term) {
    auto at =
        std::lower_bound(sum.begin(), sum.end(), term, [](const Term& a, const Term& b) { return a.atoms < b.atoms; });
    if (at == sum.end() || at->atoms != term.atoms) {
      if (term.factor != 0) sum.insert(at, term);
    } else if ((at->factor += term.factor) == 0) {
      sum.erase(at);
    }
  }

  std::vector<std::pair<ScalarOp, Sum>> functions_;  // of atoms 2, 3, …
};

class Reader {
 public:
  explicit Reader(const std::vector<ScalarNode>& nodes) : nodes_(nodes) {}

  std::optional<PostOpForm> read(int result) {
    result = withoutCasts(result);
    if (std::optional<PostOpForm> form = choice(result)) return form;
    std::optional<Sum> sum = sumOf(result);
    if (!sum) return std::nullopt;
    for (const auto& [form, known] : knownForms())
      if (same(*sum, known)) return form;
    if (sum->size() == 1 && (*sum)[0].atoms == std::vector<int>{Forms::kX})
      return (*sum)[0].factor == 1 ? PostOpForm{} : PostOpForm{"scale", false, {(*sum)[0].factor}};
    return std::nullopt;
  }

 private:
  // Values of 16 bits are computed in float32, and post-ops round once.
  int withoutCasts(int node) const {
    while (nodes_[node].op == ScalarOp::kCast && isFloat(nodes_[node].dtype)) node = nodes_[node].inputs[0];
    return node;
  }
  int input(int node, int i) const { return withoutCasts(nodes_[node].inputs[i]); }
  bool isX(int node) const { return nodes_[node].op == ScalarOp::kLoad && nodes_[node].index == 0; }
  bool isOperand(int node) const { return nodes_[node].op == ScalarOp::kLoad && nodes_[node].index == 1; }
  std::optional<double> constant(int node) const {
    return nodes_[node].op == ScalarOp::kConst ? std::optional(nodes_[node].constant) : std::nullopt;
  }

  // What compares: the larger or smaller of x and the operand, x between constants, x or a multiple where it is negative.
  std::optional<PostOpForm> choice(int node) const {
    const ScalarNode& n = nodes_[node];
    if (n.op == ScalarOp::kSelect) {
      int less = n.inputs[0], product = input(node, 1);
      bool isNegative = nodes_[less].op == ScalarOp::kLess && isX(input(less, 0)) && constant(input(less, 1)) == 0.0;
      if (!isNegative || !isX(input(node, 2)) || nodes_[product].op != ScalarOp::kMul) return std::nullopt;
      for (int i : {0, 1})
        if (auto slope = constant(input(product, i)); slope && isX(input(product, 1 - i)))
          return PostOpForm{"leaky_relu", false, {*slope}};
      return std::nullopt;
    }
    if (n.op != ScalarOp::kMax && n.op != ScalarOp::kMin) return std::nullopt;
    for (int i : {0, 1})
      if (isX(input(node, i)) && isOperand(input(node, 1 - i)))
        return PostOpForm{n.op == ScalarOp::kMax ? "max" : "min", true, {}};
    return between(node);
  }

  std::optional<PostOpForm> between(int node) const {
    double low = -std::numeric_limits<double>::infinity(), high = -low;
    while (!isX(node)) {
      const ScalarNode& n = nodes_[node];
      if (n.op != ScalarOp::kMax && n.op != ScalarOp::kMin) return std::nullopt;
      int number = constant(input(node, 0)) ? 0 : 1;
      std::optional<double> bound = constant(input(node, number));
      if (!bound || std::isnan(*bound)) return std::nullopt;
      (n.op == ScalarOp::kMax ? low : high) = n.op == ScalarOp::kMax ? std::max(low, *bound) : std::min(high, *bound);
      node = input(node, 1 - number);
    }
    if (low > high) return std::nullopt;
    if (low == 0 && std::isinf(high)) return PostOpForm{"relu", false, {}};
    return PostOpForm{"clip", false, {low, high}};
  }

  std::optional<Sum> sumOf(int node) {
    node = withoutCasts(node);
    const ScalarNode& n = nodes_[node];
    if (n.op == ScalarOp::kLoad) return Forms::atom(n.index);
    if (n.op == ScalarOp::kConst) return isFloat(n.dtype) ? std::optional(Forms::number(n.constant)) : std::nullopt;
    std::vector<Sum> in;
    for (int i : n.inputs) {
      std::optional<Sum> sum = sumOf(i);
      if (!sum || sum->size() > kMaxTerms) return std::nullopt;
      in.push_back(std::move(*sum));
    }
    switch (n.op) {
      case ScalarOp::kNeg:
        return Forms::add({}, in[0], -1);
      case ScalarOp::kAdd:
        return Forms::add(in[0], in[1]);
      case ScalarOp::kSub:
        return Forms::add(in[0], in[1], -1);
      case ScalarOp::kMul:
        return Forms::mul(in[0], in[1]);
      case ScalarOp::kDiv:
        return Forms::mul(in[0], forms_.reciprocal(in[1]));
      case ScalarOp::kReciprocal:
        return forms_.reciprocal(in[0]);
      case ScalarOp::kErf:
      case ScalarOp::kTanh:
      case ScalarOp::kSigmoid:
      case ScalarOp::kExp:
        return forms_.apply(n.op, in[0]);
      default:
        return std::nullopt;
    }
  }

  std::vector<std::pair<PostOpForm, Sum>> knownForms() {
    const Sum x = Forms::atom(Forms::kX), operand = Forms::atom(Forms::kOperand), half = Forms::number(0.5);
    auto times = [](double factor, const Sum& sum) { return Forms::mul(Forms::number(factor), sum); };
    auto halfOf = [&](const Sum& function) {
      return Forms::mul(Forms::mul(half, x), Forms::add(function, Forms::number(1)));
    };
    Sum inner =
        Forms::add(times(0.7978845608028654, x), times(0.7978845608028654 * 0.044715, Forms::mul(x, Forms::mul(x, x))));
    return {
        {{"add", true, {}}, Forms::add(x, operand)},
        {{"sub", true, {}}, Forms::add(x, operand, -1)},
        {{"mul", true, {}}, Forms::mul(x, operand)},
        {{"div", true, {}}, Forms::mul(x, forms_.reciprocal(operand))},
        {{"tanh", false, {}}, forms_.apply(ScalarOp::kTanh, x)},
        {{"sigmoid", false, {}}, forms_.apply(ScalarOp::kSigmoid, x)},
        {{"silu", false, {}}, Forms::mul(x, forms_.apply(ScalarOp::kSigmoid, x))},
        {{"gelu_erf", false, {}}, halfOf(forms_.apply(ScalarOp::kErf, times(0.7071067811865476, x)))},
        {{"gelu_tanh", false, {}}, halfOf(forms_.apply(ScalarOp::kTanh, inner))},
        {{"gelu_tanh", false, {}}, Forms::mul(x, forms_.apply(ScalarOp::kSigmoid, times(2, inner)))},
    };
  }

  const std::vector<ScalarNode>& nodes_;
  Forms forms_;
};

}  // namespace

std::optional<PostOpForm> postOpForm(const std::vector<ScalarNode>& nodes, int result) {
  return Reader(nodes).read(result);
}

}  // namespace shardwright
