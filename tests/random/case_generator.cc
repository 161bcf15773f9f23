#include "tests/random/case_generator.h"

#include <algorithm>
#include <set>

#include "tests/random/node_makers.h"

namespace shardwright {
namespace {

const char* const kSymbols[] = {"n", "m", "p"};

// Dims of an input; the batch n is in front more often than not.
std::vector<Expr> inputDims(Random& random) {
  std::vector<Expr> dims;
  const int64_t rank = random.of<int64_t>({1, 2, 2, 3, 3, 3, 4});
  for (int64_t d = 0; d < rank; ++d) {
    if (d == 0 && random.chance(50))
      dims.push_back(Expr::symbol("n"));
    else if (random.chance(15))
      dims.push_back(Expr::symbol("m"));
    else
      dims.emplace_back(random.of<int64_t>({1, 2, 3, 4, 4, 5, 6, 6, 7, 8, 9, 12}));
  }
  return dims;
}

void growGraph(GraphBuilder& graph) {
  Random& random = graph.random;
  for (int64_t i = random.between(1, 3); i > 0; --i) {
    std::vector<Expr> dims = inputDims(random);
    if (random.chance(85))
      graph.addInput(std::move(dims));
    else
      graph.addInput(std::move(dims), DType::kInt64, "below " + std::to_string(random.between(2, 7)));
  }
  const std::vector<std::vector<NodeMaker>> families = {elementwiseMakers(), shapeMakers(),     indexMakers(),
                                                        contractionMakers(), reductionMakers(), windowMakers(),
                                                        blockMakers()};
  const std::vector<size_t> weights = {0, 0, 0, 1, 1, 1, 2, 3, 3, 3, 4, 4, 5, 6, 6};
  for (int64_t i = random.between(3, 14); i > 0; --i) random.of(families[random.of(weights)])(graph);
}

// Every value that nobody reads, and some others.
void chooseOutputs(RandomCase& made, Random& random, const std::map<std::string, double>& errors) {
  std::set<std::string> read;
  for (const CaseNode& node : made.nodes) read.insert(node.operands.begin(), node.operands.end());
  for (const CaseNode& node : made.nodes)
    for (const CaseValue& value : node.results)
      if (!read.count(value.name) || random.chance(15)) made.outputs.push_back({value.name, errors.at(value.name)});
}

// Symbols that are called as axes are split by them.
std::vector<std::string> axisNames(const RandomCase& made, Random& random) {
  std::vector<std::string> names = {"a", "b", "c", "tp"};
  const std::vector<Expr>& first = made.inputs[0].dims;
  if (!first.empty() && first[0].isSymbol()) {
    names.emplace_back("dp");
    if (first.size() > 1 && first[1].isSymbol() && first[1] != first[0]) names.emplace_back("sp");
  }
  // What is small is no weight to the compiler.
  for (const CaseValue& weight : made.weights)
    if (weight.dims.size() >= 3 && *product(weight.dims).constant() > 256 && names.back() != "ep")
      names.emplace_back("ep");
  for (size_t i = names.size(); i > 1; --i)
    std::swap(names[i - 1], names[static_cast<size_t>(random.below(static_cast<int64_t>(i)))]);
  return names;
}

// Of numbers that are read or made as such; contents of shapes fold away.
int64_t longestDim(const RandomCase& made) {
  int64_t longest = 0;
  auto look = [&](const CaseValue& value) {
    for (Expr dim : value.dims)
      if (value.dtype == DType::kFloat32) longest = std::max(longest, dim.constant().value_or(0));
  };
  std::for_each(made.inputs.begin(), made.inputs.end(), look);
  for (const CaseNode& node : made.nodes) std::for_each(node.results.begin(), node.results.end(), look);
  return longest;
}

std::vector<std::pair<std::string, int64_t>> chooseMesh(RandomCase& made, Random& random) {
  auto sizes = random.of<std::vector<int64_t>>({{2}, {3}, {4}, {2, 2}, {2, 2}, {2, 3}, {3, 2}, {2, 2, 2}, {4, 2}});
  // An axis of more ranks than any dim has elements is refused.
  if (longestDim(made) < 4) sizes = {2};
  const std::vector<std::string> names = axisNames(made, random);
  std::vector<std::pair<std::string, int64_t>> axes;
  for (size_t i = 0; i < sizes.size(); ++i) {
    axes.emplace_back(names[i], sizes[i]);
    made.mesh += (i ? "," : "") + names[i] + "=" + std::to_string(sizes[i]);
  }
  // A pipeline of two stages, and microbatches where the inputs have a batch.
  if (made.nodes.size() >= 4 && random.chance(15)) {
    made.mesh += ",pp=2";
    if (const auto& dims = made.inputs[0].dims; !dims.empty() && dims[0].isSymbol())
      made.microbatches = static_cast<int>(random.between(1, 3));
  }
  return axes;
}

// Some dims are split by axes not used yet, some are to be whole, most are left open.
std::optional<CasePin> pinOf(const CaseValue& value, std::vector<std::pair<std::string, int64_t>> axes,
                             Random& random) {
  CasePin pin{value.name, {}};
  bool says = false;
  for (Expr dim : value.dims) {
    auto& pinned = pin.dims.emplace_back();
    if (random.chance(15)) pinned.emplace();
    if (!random.chance(45)) {
      says |= pinned.has_value();
      continue;
    }
    std::vector<std::string> names;
    int64_t parts = 1;
    while (!axes.empty() && (names.empty() || random.chance(25))) {
      const auto at = random.below(static_cast<int64_t>(axes.size()));
      auto [name, size] = axes[static_cast<size_t>(at)];
      if (size == 4 && random.chance(40)) {
        name += random.chance(50) ? ":(1)2" : ":(2)2";
        size = 2;
      }
      if (auto count = dim.constant(); count && *count < parts * size) break;
      parts *= size;
      names.push_back(name);
      axes.erase(axes.begin() + at);
    }
    if (!names.empty()) pinned = names;
    says |= pinned.has_value();
  }
  if (!says) return std::nullopt;
  return pin;
}

void annotate(RandomCase& made, Random& random) {
  const auto axes = chooseMesh(made, random);
  const int64_t percent = random.of<int64_t>({0, 15, 30, 60});
  auto pinSome = [&](const std::vector<CaseValue>& values) {
    for (const CaseValue& value : values)
      if (random.chance(static_cast<int>(percent)))
        if (auto pin = pinOf(value, axes, random)) made.pins.push_back(*pin);
  };
  pinSome(made.inputs);
  pinSome(made.weights);
  for (const CaseNode& node : made.nodes) pinSome(node.results);
  for (const CaseNode& node : made.nodes) {
    if (!random.chance(10)) continue;
    const auto operand = random.below(static_cast<int64_t>(node.operands.size()));
    const CaseValue* value = made.find(node.operands[static_cast<size_t>(operand)]);
    if (value && !value->dims.empty())
      made.strategies.push_back(
          {node.name(), random.of(axes).first,
           std::to_string(operand) + "." + std::to_string(random.below(static_cast<int64_t>(value->dims.size())))});
  }
}

}  // namespace

RandomCase randomCase(uint64_t seed) {
  for (uint64_t attempt = 0;; ++attempt) {
    RandomCase made;
    made.opset = 20;
    GraphBuilder graph(seed * 1000 + attempt, made);
    growGraph(graph);
    if (made.nodes.empty()) continue;
    std::map<std::string, double> errors;
    for (const GraphValue& value : graph.values()) errors[value.name] = value.error * 4;
    chooseOutputs(made, graph.random, errors);
    made.prune();
    if (made.inputs.empty()) continue;
    for (int run = 0; run < 2; ++run) {
      Bindings& sizes = made.sizes.emplace_back();
      for (const char* symbol : kSymbols) sizes[symbol] = graph.random.between(1, GraphBuilder::kMaxSymbol);
    }
    annotate(made, graph.random);
    return made;
  }
}

}  // namespace shardwright
