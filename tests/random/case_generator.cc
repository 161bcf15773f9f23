#include "tests/random/case_generator.h"

#include <algorithm>
#include <set>

#include "compiler/dist/mesh.h"
#include "tests/random/given_model.h"
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

void growGraph(GraphBuilder& graph, CaseKind kind) {
  Random& random = graph.random;
  const bool isScheduled = kind == CaseKind::kScheduled;
  for (int64_t i = random.between(1, 3); i > 0; --i) {
    std::vector<Expr> dims = inputDims(random);
    // What microbatches are cut from.
    if (isScheduled && random.chance(80)) dims.front() = Expr::symbol("n");
    if (random.chance(85))
      graph.addInput(std::move(dims));
    else
      graph.addInput(std::move(dims), DType::kInt64, "below " + std::to_string(random.between(2, 7)));
  }
  const std::vector<std::vector<NodeMaker>> families = {elementwiseMakers(), shapeMakers(),     indexMakers(),
                                                        contractionMakers(), reductionMakers(), windowMakers(),
                                                        blockMakers()};
  const std::vector<size_t> weights = {0, 0, 0, 1, 1, 1, 2, 3, 3, 3, 4, 4, 5, 6, 6};
  for (int64_t i = isScheduled ? random.between(8, 32) : random.between(3, 14); i > 0; --i)
    random.of(families[random.of(weights)])(graph);
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

// Of few ranks, and what pins may name of it: not pp.
std::vector<MeshAxis> chooseMesh(RandomCase& made, Random& random) {
  auto sizes = random.of<std::vector<int64_t>>({{2}, {3}, {4}, {2, 2}, {2, 2}, {2, 3}, {3, 2}, {2, 2, 2}, {4, 2}});
  // An axis of more ranks than any dim has elements is refused.
  if (longestDim(made) < 4) sizes = {2};
  const std::vector<std::string> names = axisNames(made, random);
  std::vector<MeshAxis> axes;
  for (size_t i = 0; i < sizes.size(); ++i) axes.push_back({names[i], sizes[i]});
  made.mesh = Mesh(axes).str();
  // A pipeline of two stages, and microbatches where the inputs have a batch.
  if (made.nodes.size() >= 4 && random.chance(15)) {
    made.mesh += ",pp=2";
    if (const auto& dims = made.inputs[0].dims; !dims.empty() && dims[0].isSymbol())
      made.microbatches = static_cast<int>(random.between(1, 3));
  }
  return axes;
}

// Weights of whole numbers are shapes and indices, which fold away.
bool isFolded(const RandomCase& seen, const CaseValue& value) {
  const bool isWeight = std::any_of(seen.weights.begin(), seen.weights.end(),
                                    [&](const CaseValue& weight) { return weight.name == value.name; });
  return isWeight && value.dtype != DType::kFloat32;
}

// The dims that the axis may split, as far as their sizes say it.
std::vector<int64_t> dimsFor(const MeshAxis& axis, const CaseValue& value) {
  std::vector<int64_t> dims;
  for (size_t d = 0; d < value.dims.size(); ++d)
    if (value.dims[d].constant().value_or(axis.size) >= axis.size) dims.push_back(static_cast<int64_t>(d));
  return dims;
}

// Some dims are split by axes not used yet, some are to be whole, most are left open.
std::optional<CasePin> pinOf(const CaseValue& value, std::vector<MeshAxis> axes, Random& random) {
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

// How much is asked for, in percent.
struct Asked {
  int pins = 0, strategies = 0;
};

// Some of what is seen of the graph.
void annotate(RandomCase& made, const RandomCase& seen, const std::vector<MeshAxis>& axes, Asked asked,
              Random& random) {
  if (axes.empty()) return;
  auto pinSome = [&](const std::vector<CaseValue>& values) {
    for (const CaseValue& value : values)
      if (random.chance(asked.pins) && !isFolded(seen, value))
        if (auto pin = pinOf(value, axes, random)) made.pins.push_back(*pin);
  };
  pinSome(seen.inputs);
  pinSome(seen.weights);
  for (const CaseNode& node : seen.nodes) pinSome(node.results);
  for (const CaseNode& node : seen.nodes) {
    if (node.operands.empty() || !random.chance(asked.strategies)) continue;
    const auto operand = random.below(static_cast<int64_t>(node.operands.size()));
    const CaseValue* value = seen.find(node.operands[static_cast<size_t>(operand)]);
    if (!value || isFolded(seen, *value)) continue;
    const MeshAxis& axis = random.of(axes);
    const std::vector<int64_t> dims = dimsFor(axis, *value);
    if (!dims.empty())
      made.strategies.push_back(
          {node.name(), axis.name, std::to_string(operand) + "." + std::to_string(random.of(dims))});
  }
}

// --- pipelines --------------------------------------------------------------------------------------------------------------

constexpr int64_t kMaxRanks = 8;

// One to four axes of any sizes, ones among them, in any order.
std::vector<MeshAxis> chooseLargeMesh(const RandomCase& seen, Random& random) {
  const std::vector<std::string> names = axisNames(seen, random);
  const bool isPipeline = random.chance(85);
  const auto count = random.of<size_t>({1, 2, 2, 2, 3, 3, 3, 4, 4});
  const int64_t longest = longestDim(seen);
  std::vector<MeshAxis> axes;
  int64_t numRanks = 1;
  // Stages of a node or two have often none left after import.
  const int64_t most = static_cast<int64_t>(seen.nodes.size()) / 3;
  if (isPipeline && most > 1)
    axes.push_back({"pp", numRanks = std::min(most, random.of<int64_t>({2, 2, 2, 3, 3, 4, 5}))});
  while (axes.size() < count) {
    const auto size = random.of<int64_t>({1, 2, 2, 2, 2, 3, 3, 4, 5, 6, 7, 8});
    if (numRanks * size > kMaxRanks || size > std::max<int64_t>(longest, 1)) continue;
    numRanks *= size;
    axes.push_back({names[axes.size()], size});
  }
  std::swap(axes.front(), axes[static_cast<size_t>(random.below(static_cast<int64_t>(axes.size())))]);
  return axes;
}

// What is seen without the nodes that import may remove or that compute nothing: shape computations, casts, copies; of a given model
// all but the readers of weights.
RandomCase withoutFolded(RandomCase seen, bool isGiven) {
  auto isFoldable = [&](const CaseNode& node) {
    if (!isGiven) {
      const CaseValue& result = node.results.front();
      for (const char* op : {"Cast", "Identity", "Flatten"})
        if (node.op.rfind(op, 0) == 0) return true;
      return result.dtype != DType::kFloat32 || result.dims.empty();
    }
    return std::none_of(node.operands.begin(), node.operands.end(), [&](const std::string& name) {
      const CaseValue* value = seen.find(name);
      return value && value->dtype == DType::kFloat32 && value->dims.size() >= 2;
    });
  };
  std::vector<CaseNode> kept;
  for (const CaseNode& node : seen.nodes)
    if (!isFoldable(node)) kept.push_back(node);
  seen.nodes = std::move(kept);
  return seen;
}

// One node of each stage, or more, where the stages of an even cut by number of nodes would be.
void pinStages(RandomCase& made, const RandomCase& seen, int64_t stages, Random& random) {
  const auto count = static_cast<int64_t>(seen.nodes.size());
  if (count < 2 * stages) return;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t stage = i * stages / count;
    const bool isMiddle = i == ((2 * stage + 1) * count) / (2 * stages);
    if (isMiddle || random.chance(10))
      made.stages.push_back({seen.nodes[static_cast<size_t>(i)].name(), static_cast<int>(stage)});
  }
}

int64_t numStages(const std::vector<MeshAxis>& axes) {
  for (const MeshAxis& axis : axes)
    if (axis.name == "pp") return axis.size;
  return 1;
}

// How the case is to run, and what is asked of its parts.
void schedule(RandomCase& made, const RandomCase& all, Random& random) {
  const bool isGiven = !made.given.empty();
  const RandomCase seen = withoutFolded(all, isGiven);
  std::vector<MeshAxis> axes = chooseLargeMesh(seen, random);
  made.mesh = Mesh(axes).str();
  const int64_t stages = numStages(axes);
  if (random.chance(20)) made.memoryPercent = random.of<int>({120, 150, 200, 300});
  made.schedule = random.of<std::string>({"", "gpipe", "1f1b", "interleaved", "interleaved", "interleaved:3"});
  // Each chunk needs ops that take longer than a transfer; those of random graphs do not, but where they are pinned.
  const bool isInterleaved = made.schedule.rfind("interleaved", 0) == 0;
  if (isInterleaved && (stages == 1 || !(isGiven || seen.nodes.size() >= 24)))
    made.schedule = random.of<std::string>({"gpipe", "1f1b"});
  if (stages > 1 && made.schedule.rfind("interleaved", 0) != 0 && random.chance(isGiven ? 50 : 90))
    pinStages(made, seen, stages, random);
  // Axes whose names say what they split split nothing else; what is in stages is no sharding.
  auto isTaken = [](const MeshAxis& axis) { return axis.name == "pp" || axis.name == "dp" || axis.name == "sp"; };
  axes.erase(std::remove_if(axes.begin(), axes.end(), isTaken), axes.end());
  Asked asked = {random.of<int>({0, 10, 20, 40}), 4};
  if (isGiven) asked = {random.of<int>({0, 2, 5}), 1};
  annotate(made, seen, axes, asked, random);
}

RandomCase givenCase(Random& random) {
  RandomCase made;
  made.given = random.of(givenModels());
  made.microbatches = static_cast<int>(random.between(1, 6));
  const StatusOr<RandomCase> seen = readGivenModel(made.given);
  if (seen.ok()) schedule(made, *seen, random);
  return made;
}

// Sums, sorts or turns along the first dim, as its attribute or an operand says.
bool goesAlongBatch(const RandomCase& made, const CaseNode& node) {
  const CaseValue* value = node.operands.empty() ? nullptr : made.find(node.operands[0]);
  if (!value || value->dims.empty()) return false;
  const std::string before = "axis=-" + std::to_string(value->dims.size());
  if (node.op.find("axis=0") != std::string::npos || node.op.find(before) != std::string::npos) return true;
  return std::any_of(node.operands.begin() + 1, node.operands.end(), [&](const std::string& name) {
    const CaseValue* operand = made.find(name);
    const std::string first = " " + std::to_string(-static_cast<int64_t>(value->dims.size()));
    if (!operand || operand->dtype != DType::kInt64 || operand->filling.rfind("values ", 0) != 0) return false;
    return (operand->filling == "values 0" || operand->filling == "values" + first) &&
           (node.op.rfind("CumSum", 0) == 0 || node.op.rfind("Slice", 0) == 0);
  });
}

// The batch n stays in front of whatever holds it, and nothing sums over it. Nodes may still mix its elements.
bool keepsBatchInFront(const RandomCase& made) {
  auto holdsBatch = [](const CaseValue& value) {
    return std::any_of(value.dims.begin(), value.dims.end(), [](Expr dim) { return dim.symbols().count("n") > 0; });
  };
  auto isGood = [&](const CaseValue& value) {
    if (!holdsBatch(value)) return true;
    CaseValue rest = value;
    rest.dims.erase(rest.dims.begin());
    return value.dims[0] == Expr::symbol("n") && !holdsBatch(rest);
  };
  if (made.inputs[0].dims.empty() || made.inputs[0].dims[0] != Expr::symbol("n")) return false;
  if (!std::all_of(made.inputs.begin(), made.inputs.end(), isGood)) return false;
  for (const CaseNode& node : made.nodes) {
    if (goesAlongBatch(made, node)) return false;
    const bool reads = std::any_of(node.operands.begin(), node.operands.end(), [&](const std::string& name) {
      const CaseValue* value = made.find(name);
      return value && holdsBatch(*value);
    });
    for (const CaseValue& result : node.results)
      if (!isGood(result) || holdsBatch(result) != reads) return false;
  }
  return true;
}

}  // namespace

RandomCase randomCase(uint64_t seed, CaseKind kind) {
  const bool isScheduled = kind == CaseKind::kScheduled;
  Random choices(seed);
  if (isScheduled && choices.chance(18)) return givenCase(choices);
  const bool isCut = isScheduled && choices.chance(75);
  for (uint64_t attempt = 0;; ++attempt) {
    RandomCase made;
    made.opset = 20;
    GraphBuilder graph(seed * 1000 + attempt, made);
    growGraph(graph, kind);
    if (made.nodes.empty()) continue;
    std::map<std::string, double> errors;
    for (const GraphValue& value : graph.values()) errors[value.name] = value.error * 4;
    chooseOutputs(made, graph.random, errors);
    made.prune();
    if (made.inputs.empty() || (isCut && !keepsBatchInFront(made))) continue;
    for (int run = 0; run < 2; ++run) {
      Bindings& sizes = made.sizes.emplace_back();
      for (const char* symbol : kSymbols) sizes[symbol] = graph.random.between(1, GraphBuilder::kMaxSymbol);
    }
    if (isCut) made.microbatches = static_cast<int>(graph.random.between(1, 6));
    if (isScheduled) {
      schedule(made, made, graph.random);
    } else {
      const std::vector<MeshAxis> axes = chooseMesh(made, graph.random);
      annotate(made, made, axes, {graph.random.of<int>({0, 15, 30, 60}), 10}, graph.random);
    }
    return made;
  }
}

}  // namespace shardwright
