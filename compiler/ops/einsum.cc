// The row Einsum, which import writes as products of two operands each: matrix products where letters are summed, elementwise ones
// where none is.
#include <algorithm>
#include <cctype>
#include <map>

#include "compiler/ops/expansion.h"
#include "compiler/ops/families.h"
#include "compiler/ops/node_builder.h"
#include "compiler/ops/shape_functions.h"

namespace shardwright {
namespace {

// One character per dim. The dims of "..." are digits, right-aligned among the operands: of [7,5,3] and [5,2] in "...i,...i" they
// are "01i" and "1i".
struct Equation {
  std::vector<std::string> operands;
  std::string result;
};

bool isBroadcast(char letter) { return letter >= '0' && letter <= '9'; }
bool contains(const std::string& letters, char letter) { return letters.find(letter) != std::string::npos; }

// "bij,bjk" and, after the arrow, "bik"; without an arrow, the letters that appear once, in their order.
struct Parts {
  std::vector<std::string> operands;
  std::optional<std::string> result;
};

Parts partsOf(const OpView& op) {
  std::string text = op.stringAttr("equation", "");
  text.erase(std::remove(text.begin(), text.end(), ' '), text.end());
  Parts parts;
  if (const size_t arrow = text.find("->"); arrow != std::string::npos) {
    parts.result = text.substr(arrow + 2);
    text.resize(arrow);
  }
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    parts.operands.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

// The term with the digits of its last `count` broadcast dims, of `most`, for "..."; nothing where what remains is not letters.
std::optional<std::string> spelled(std::string term, int count, int most) {
  std::string digits;
  for (int i = most - count; i < most; ++i) digits += static_cast<char>('0' + i);
  if (const size_t dots = term.find("..."); dots != std::string::npos) term.replace(dots, 3, digits);
  const bool isRight = std::all_of(term.begin(), term.end(), [](char c) { return isBroadcast(c) || std::isalpha(c); });
  return isRight ? std::optional(term) : std::nullopt;
}

std::string implicitResult(const std::vector<std::string>& operands, int numBroadcast) {
  std::string all, result = *spelled("...", numBroadcast, numBroadcast);
  for (const std::string& letters : operands) all += letters;
  std::sort(all.begin(), all.end());
  for (char letter : all)
    if (!isBroadcast(letter) && std::count(all.begin(), all.end(), letter) == 1) result += letter;
  return result;
}

StatusOr<Equation> equationOf(const OpView& op) {
  const Parts parts = partsOf(op);
  const auto wrong = [&](const std::string& what) {
    return nodeError(op, "has the equation '" + op.stringAttr("equation", "") + "', " + what);
  };
  if (static_cast<int>(parts.operands.size()) != op.numOperands())
    return wrong("of " + std::to_string(parts.operands.size()) + " operands, and is given " +
                 std::to_string(op.numOperands()));
  std::vector<int> broadcast;
  for (int i = 0; i < op.numOperands(); ++i) {
    const std::string& term = parts.operands[i];
    const bool hasDots = contains(term, '.');
    const int named = static_cast<int>(term.size()) - (hasDots ? 3 : 0);
    broadcast.push_back(op.rank(i) - named);
    if (hasDots ? broadcast[i] < 0 : broadcast[i] != 0)
      return wrong("whose operand " + std::to_string(i) + " has other dims than " + str(op.dims(i)));
  }
  const int most = *std::max_element(broadcast.begin(), broadcast.end());
  if (most > 10) return wrong("of more than 10 dims in '...'");
  Equation equation;
  for (int i = 0; i < op.numOperands(); ++i) {
    const std::optional<std::string> letters = spelled(parts.operands[i], broadcast[i], most);
    if (!letters) return wrong("of which an operand is not letters and one '...'");
    for (char letter : *letters)
      if (std::count(letters->begin(), letters->end(), letter) > 1)
        return wrong("which takes a diagonal ('" + std::string(1, letter) +
                     "' twice in one operand); that is not supported");
    equation.operands.push_back(*letters);
  }
  const auto result = parts.result ? spelled(*parts.result, most, most) : implicitResult(equation.operands, most);
  if (!result) return wrong("of which the result is not letters and one '...'");
  if (std::count_if(result->begin(), result->end(), isBroadcast) != most)
    return wrong("whose result leaves '...' out; name the dims that are summed");
  for (char letter : *result) {
    const auto& operands = equation.operands;
    const bool isKnown = std::any_of(operands.begin(), operands.end(), [&](auto& o) { return contains(o, letter); });
    if (!isKnown || std::count(result->begin(), result->end(), letter) > 1)
      return wrong("whose result has '" + std::string(1, letter) + "' twice, or from no operand");
  }
  equation.result = *result;
  return equation;
}

Status inferEinsum(const OpView& op, ResultShapes& results) {
  SW_ASSIGN_OR_RETURN(const Equation equation, equationOf(op));
  std::map<char, Expr> sizes;
  for (int i = 0; i < op.numOperands(); ++i) {
    const Exprs dims = op.dims(i);
    for (size_t d = 0; d < dims.size(); ++d) {
      const char letter = equation.operands[i][d];
      const auto [size, isNew] = sizes.emplace(letter, dims[d]);
      if (isNew) continue;
      if (isBroadcast(letter)) {
        SW_ASSIGN_OR_RETURN(const Exprs joined, broadcast(op, {Exprs{size->second}, Exprs{dims[d]}}));
        size->second = joined[0];
      } else {
        SW_RETURN_IF_ERROR(requireEqual(op, size->second, dims[d], "the sizes of '" + std::string(1, letter) + "'"));
      }
    }
  }
  Exprs dims;
  for (char letter : equation.result) dims.push_back(sizes.at(letter));
  return allResults(op, {op.dtype(0), dims}, results);
}

struct Term {
  mlir::Value value;
  std::string letters;
};

// What letters of other terms and of the result a product has to keep.
class Contraction {
 public:
  Contraction(NodeBuilder& builder, std::string needed) : n(builder), needed_(std::move(needed)) {}

  // Sums the letters that nobody else has.
  Term summed(const Term& term, const std::string& others) const {
    Term kept;
    llvm::SmallVector<int64_t> axes;
    for (size_t d = 0; d < term.letters.size(); ++d) {
      if (contains(needed_, term.letters[d]) || contains(others, term.letters[d])) {
        kept.letters += term.letters[d];
      } else {
        axes.push_back(static_cast<int64_t>(d));
      }
    }
    kept.value = axes.empty() ? term.value : n.reduce("ReduceSum", term.value, axes, /*keepDims=*/false);
    return kept;
  }

  Term product(Term a, Term b) const {
    a = summed(a, b.letters);
    b = summed(b, a.letters);
    std::string batch, inner, rows, columns;
    for (char letter : a.letters) {
      const bool isShared = contains(b.letters, letter);
      (isShared && !contains(needed_, letter) ? inner : isShared || isBroadcast(letter) ? batch : rows) += letter;
    }
    for (char letter : b.letters)
      if (!contains(a.letters, letter)) (isBroadcast(letter) ? batch : columns) += letter;
    if (inner.empty()) return elementwise(a, b, batch + rows + columns);
    // What has more dims of its own stays as it is, and what has fewer, as weights do, is made a matrix.
    if (batch.empty() && columns.size() > rows.size()) {
      std::swap(a, b);
      std::swap(rows, columns);
    }
    return matrices(a, b, batch, inner, rows, columns);
  }

  mlir::Value ordered(const Term& term, const std::string& order) const {
    llvm::SmallVector<int64_t> permutation;
    for (char letter : order)
      if (contains(term.letters, letter)) permutation.push_back(static_cast<int64_t>(term.letters.find(letter)));
    return llvm::is_sorted(permutation) ? term.value : n.transpose(term.value, permutation);
  }

 private:
  Term elementwise(const Term& a, const Term& b, const std::string& order) const {
    return {n.mul(spread(a, order), spread(b, order)), order};
  }

  // In this order, with dims of 1 for letters that it lacks.
  mlir::Value spread(const Term& term, const std::string& order) const {
    mlir::Value value = ordered(term, order);
    llvm::SmallVector<int64_t> missing;
    for (size_t d = 0; d < order.size(); ++d)
      if (!contains(term.letters, order[d])) missing.push_back(static_cast<int64_t>(d));
    return missing.empty() ? value : n.node("Unsqueeze", {value, n.ints(missing)});
  }

  // [batch…, rows, inner] × [batch…, inner, columns]. Where nothing is shared but what is summed, the rows' dims stay apart.
  Term matrices(const Term& a, const Term& b, const std::string& batch, const std::string& inner,
                const std::string& rows, const std::string& columns) const {
    const bool apart = batch.empty() && !rows.empty();
    const std::string leading = apart ? rows.substr(0, rows.size() - 1) : batch;
    const std::string last = apart ? rows.substr(rows.size() - 1) : rows;
    mlir::Value left = grouped(a, leading, {last, inner});
    mlir::Value right = grouped(b, batch, {inner, columns});
    mlir::Value y = n.node("MatMul", {left, right});
    const Exprs made = n.dims(y);
    Exprs dims(made.begin(), made.begin() + static_cast<int64_t>(leading.size()));
    for (char letter : last) dims.push_back(sizeIn(a, letter));
    for (char letter : columns) dims.push_back(sizeIn(b, letter));
    if (dims != made) y = n.reshape(y, dims);
    return {y, leading + last + columns};
  }

  // [leading…, one dim per group]
  mlir::Value grouped(const Term& term, const std::string& leading, const std::vector<std::string>& groups) const {
    std::string order = leading;
    Exprs dims;
    for (char letter : leading) dims.push_back(contains(term.letters, letter) ? sizeIn(term, letter) : Expr(1));
    for (const std::string& group : groups) {
      order += group;
      Expr size = 1;
      for (char letter : group) size *= sizeIn(term, letter);
      dims.push_back(size);
    }
    mlir::Value value = ordered(term, order);
    return n.dims(value) == dims ? value : n.reshape(value, dims);
  }

  Expr sizeIn(const Term& term, char letter) const { return n.dims(term.value)[term.letters.find(letter)]; }

  NodeBuilder& n;
  const std::string needed_;  // by terms that come later and by the result
};

std::vector<mlir::Value> expandEinsum(mlir::OpBuilder& builder, const OpView& op) {
  NodeBuilder n(builder, op);
  const Equation equation = *equationOf(op);
  Term product{n.operand(0), equation.operands[0]};
  for (size_t i = 1; i < equation.operands.size(); ++i) {
    std::string later = equation.result;
    for (size_t j = i + 1; j < equation.operands.size(); ++j) later += equation.operands[j];
    product = Contraction(n, later).product(product, {n.operand(static_cast<int>(i)), equation.operands[i]});
  }
  const Contraction last(n, equation.result);
  product = last.summed(product, "");
  mlir::Value y = last.ordered(product, equation.result);
  const Exprs dims = op.result(0).dims;
  return {n.dims(y) == dims ? y : n.reshape(y, dims)};
}

}  // namespace

llvm::ArrayRef<Row> einsumRows() {
  static const std::vector<Row> kRows = {expandedOnImport("Einsum", inferEinsum, expandEinsum)};
  return kRows;
}

}  // namespace shardwright
