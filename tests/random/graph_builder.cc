#include "tests/random/graph_builder.h"

#include <algorithm>
#include <cmath>

namespace shardwright {
namespace {

int boundOf(const std::string& filling) {
  if (filling.rfind("below ", 0) == 0) return std::stoi(filling.substr(6)) - 1;
  return filling == "positive" ? 9 : filling == "unit" || filling == "bool" ? 1 : 6;
}

}  // namespace

std::optional<GraphValue> GraphBuilder::pick(const std::function<bool(const GraphValue&)>& fits) {
  std::vector<const GraphValue*> found;
  for (const GraphValue& value : values_)
    if (!value.isConstant && value.error <= 1e-2 && fits(value)) found.push_back(&value);
  if (found.empty()) return std::nullopt;
  const auto last = static_cast<int64_t>(found.size()) - 1;
  return *found[static_cast<size_t>(std::max(random.below(last + 1), random.below(last + 1)))];
}

GraphValue GraphBuilder::addInput(std::vector<Expr> dims, DType dtype, const std::string& filling) {
  GraphValue value;
  static_cast<CaseValue&>(value) = {newName("x"), dtype, std::move(dims), filling};
  value.bound = boundOf(filling);
  value.error = filling == "unit" ? 1e-7 : 0;
  made_.inputs.push_back(value);
  values_.push_back(value);
  return value;
}

GraphValue GraphBuilder::addWeight(std::vector<Expr> dims, DType dtype, const std::string& filling) {
  GraphValue value;
  static_cast<CaseValue&>(value) = {newName("w"), dtype, std::move(dims), filling};
  value.bound = boundOf(filling);
  value.error = filling == "unit" ? 1e-7 : 0;
  value.isConstant = true;
  made_.weights.push_back(value);
  values_.push_back(value);
  return value;
}

GraphValue GraphBuilder::addInts(const std::vector<int64_t>& values) {
  std::string filling = "values";
  for (int64_t value : values) filling += " " + std::to_string(value);
  return addWeight({Expr(static_cast<int64_t>(values.size()))}, DType::kInt64, filling);
}

GraphValue GraphBuilder::addInt(int64_t value, DType dtype) {
  return addWeight({}, dtype, "values " + std::to_string(value));
}

GraphValue GraphBuilder::add(const std::string& op, const std::vector<std::string>& operands, GraphValue result) {
  return addAll(op, operands, {std::move(result)}).front();
}

std::vector<GraphValue> GraphBuilder::addAll(const std::string& op, const std::vector<std::string>& operands,
                                             std::vector<GraphValue> results) {
  CaseNode node{{}, op, operands};
  const bool isMissing = std::find(operands.begin(), operands.end(), "") != operands.end();
  for (GraphValue& result : results) result.name.clear();
  if (isMissing) return results;
  for (GraphValue& result : results) {
    if (largestCount(result.dims) > kMaxCount) return results;
    if (result.isFloat() && result.bound > kMaxExact) result.error = std::max(result.error, 1e-6 * result.bound);
  }
  for (GraphValue& result : results) {
    result.name = newName("t");
    result.isConstant = false;
    node.results.push_back(result);
    values_.push_back(result);
  }
  made_.nodes.push_back(std::move(node));
  return results;
}

GraphValue GraphBuilder::tame(const GraphValue& value, double bound) {
  if (value.bound <= bound || !value.isFloat()) return value;
  GraphValue tamed = value;
  tamed.filling = "int";
  if (!value.isExact()) {
    tamed.bound = std::floor(bound);
    GraphValue low = addWeight({}, DType::kFloat32, "values " + std::to_string(-static_cast<int>(bound)));
    GraphValue high = addWeight({}, DType::kFloat32, "values " + std::to_string(static_cast<int>(bound)));
    return add("Clip", {value.name, low.name, high.name}, tamed);
  }
  GraphValue whole = value;
  whole.dtype = DType::kInt64;
  whole = add("Cast<to=7>", {value.name}, whole);
  tamed.bound = std::floor(std::min(bound, 13.0));
  GraphValue rest = add("Mod", {whole.name, addInt(static_cast<int64_t>(tamed.bound)).name}, whole);
  return add("Cast<to=1>", {rest.name}, tamed);
}

int64_t GraphBuilder::largest(Expr e) const {
  Bindings sizes;
  for (const std::string& symbol : e.symbols()) sizes[symbol] = kMaxSymbol;
  const auto size = e.evaluate(sizes);
  return size.ok() ? *size : kMaxCount + 1;
}

int64_t GraphBuilder::largestCount(const std::vector<Expr>& dims) const {
  int64_t count = 1;
  for (Expr dim : dims) count *= largest(dim);
  return count;
}

}  // namespace shardwright
