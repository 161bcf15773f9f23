#include "compiler/analysis/strategy_search.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <unordered_map>

#include "compiler/analysis/constant_values.h"
#include "compiler/analysis/elimination.h"
#include "compiler/analysis/op_work.h"
#include "compiler/analysis/split_symbol.h"
#include "compiler/onnx/onnx_dialect.h"
#include "compiler/target/cost_model.h"

namespace shardwright {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kUnwantedSeconds = 1;  // more than any plan

// The shardings of all values of one type by number, and what it costs to turn one into another.
class TypeCosts {
 public:
  TypeCosts(Exprs dims, DType dtype, const ReshardSeconds& seconds)
      : dims_(std::move(dims)), dtype_(dtype), seconds_(seconds) {}

  int number(const Sharding& sharding) {
    auto [it, isNew] = numbers_.try_emplace(sharding, static_cast<int>(shardings_.size()));
    if (isNew) shardings_.push_back(&it->first);
    return it->second;
  }

  double cost(int from, int to) {
    if (from == to) return 0;
    auto [it, isNew] = costs_.try_emplace(static_cast<int64_t>(from) << 32 | to, 0.0);
    if (isNew) it->second = seconds_(dims_, dtype_, *shardings_[from], *shardings_[to]);
    return it->second;
  }

 private:
  Exprs dims_;
  DType dtype_;
  const ReshardSeconds& seconds_;
  std::map<Sharding, int> numbers_;
  std::vector<const Sharding*> shardings_;
  std::unordered_map<int64_t, double> costs_;
};

// A variable of the search: an op's candidate, a leaf's state, or the one resharded copy of a value that has several readers.
struct Variable {
  int id = -1;
  std::vector<size_t> candidates;  // of an op: the candidates that its states are
  std::vector<Sharding> states;    // of a leaf or a copy
};

class Search {
 public:
  Search(mlir::Block& block, const StrategySpace& space, const Facts& facts, const SearchOptions& options)
      : block_(block), space_(space), facts_(facts), options_(options), constants_(block) {}

  SearchResult run() {
    findAuxiliary();
    collectWeights();
    for (mlir::Value argument : block_.getArguments()) addArgument(argument);
    for (mlir::Operation& op : block_) addOp(&op);
    for (const OpChoices& op : space_.ops()) connectOperands(op);
    connectOutputs();
    for (auto [argument, result] : options_.ties) tie(block_.getArgument(argument), outputs_[result]);
    return read(solve());
  }

 private:
  // --- what is searched -----------------------------------------------------------------------------------------------------

  // Masks, positions and sizes: values without a weight or a float input among their ancestors. They are whole: making them
  // split is a free slice, and leaving them out keeps the graph narrow.
  void findAuxiliary() {
    for (mlir::Value argument : block_.getArguments())
      if (!isFloat(shapeOf(argument).dtype) && !options_.pins.count(argument)) auxiliary_.insert(argument);
    for (mlir::Operation& op : block_) {
      bool all = llvm::all_of(op.getOperands(), [&](mlir::Value v) { return auxiliary_.contains(v); });
      bool fixed = options_.strategies.count(&op) ||
                   llvm::any_of(op.getResults(), [&](mlir::Value v) { return options_.pins.count(v) > 0; });
      if (mlir::isa<WeightOp>(op) || !all || fixed) continue;
      for (mlir::Value result : op.getResults()) auxiliary_.insert(result);
    }
  }

  double bytesOf(mlir::Value value) const { return bytesAt(value, options_.sizes); }

  double localBytes(mlir::Value value, const Sharding& sharding) const {
    TensorShape shape = shapeOf(value);
    return static_cast<double>(maxLocalCount(sharding, shape.dims, options_.mesh, options_.sizes)) *
           bitWidth(shape.dtype) / 8;
  }

  // Tables that no rule can split are outside the limit, on both sides.
  bool isLimited(mlir::Value weight) const {
    return options_.maxWeightShare < kInfinity && space_.statesOf(weight).size() > 1 &&
           shapeOf(weight).dims.size() >= options_.minWeightRank;
  }
  static bool isMatrix(mlir::Value weight) { return shapeOf(weight).dims.size() >= 2; }

  void collectWeights() {
    std::vector<double> matrices;
    for (mlir::Operation& op : block_) {
      if (!mlir::isa<WeightOp>(op) || !isLimited(op.getResult(0))) continue;
      totalWeightBytes_ += bytesOf(op.getResult(0));
      if (isMatrix(op.getResult(0))) matrices.push_back(bytesOf(op.getResult(0)));
    }
    if (matrices.empty()) return;
    std::nth_element(matrices.begin(), matrices.begin() + matrices.size() / 2, matrices.end());
    largestWholeMatrix_ = matrices[matrices.size() / 2] / 4;
  }

  double numRanks() const { return static_cast<double>(options_.mesh.axes()[options_.axis].size); }

  // The states that a pin leaves of `states`; the pin itself, with open dims whole, if none.
  std::vector<Sharding> allowed(mlir::Value value, std::vector<Sharding> states) const {
    auto pin = options_.pins.find(value);
    if (pin == options_.pins.end()) return states;
    Exprs dims = shapeOf(value).dims;
    states.erase(
        std::remove_if(states.begin(), states.end(), [&](const Sharding& s) { return !pin->second.allows(s); }),
        states.end());
    if (states.empty())
      states = {pin->second.imposedOn(Sharding::replicated(static_cast<int>(dims.size())), dims, facts_)};
    return states;
  }

  static Sharding whole(mlir::Value value) {
    return Sharding::replicated(static_cast<int>(shapeOf(value).dims.size()));
  }

  const Variable& addProducer(mlir::Value value, std::vector<Sharding> states) {
    Variable variable;
    variable.id = graph_.addVariable(std::vector<double>(states.size(), 0.0));
    variable.states = std::move(states);
    return producers_[value] = std::move(variable);
  }

  // Every rank reads its part of an argument, so any split that is a window is free.
  void addArgument(mlir::Value value) {
    if (auxiliary_.contains(value)) return;
    std::vector<Sharding> states = space_.statesOf(value);
    states.erase(std::remove_if(states.begin(), states.end(), [](const Sharding& s) { return !isWindow(s); }),
                 states.end());
    addProducer(value, allowed(value, std::move(states)));
  }

  void addWeight(mlir::Value weight) {
    std::vector<Sharding> states = space_.statesOf(weight);
    bool mustSplit = isLimited(weight) && isMatrix(weight) && bytesOf(weight) > largestWholeMatrix_;
    if (mustSplit && !options_.pins.count(weight)) states.erase(states.begin());
    const Variable& variable = addProducer(weight, allowed(weight, std::move(states)));
    if (!isLimited(weight)) return;
    WeightVariable entry{variable.id, {}};
    for (const Sharding& state : variable.states)
      entry.excess.push_back(localBytes(weight, state) - bytesOf(weight) / numRanks());
    weights_.push_back(std::move(entry));
  }

  void addOp(mlir::Operation* op) {
    if (op->getNumResults() == 0) return;
    if (mlir::isa<WeightOp>(op)) return addWeight(op->getResult(0));
    const OpChoices* choices = space_.find(op);
    if (!choices || llvm::all_of(op->getResults(), [&](mlir::Value v) { return auxiliary_.contains(v); })) return;
    Variable variable;
    std::vector<double> costs;
    for (size_t c = 0; c < choices->candidates.size(); ++c) {
      if (!isAllowed(*choices, c)) continue;
      variable.candidates.push_back(c);
      costs.push_back(secondsOf(*choices, choices->candidates[c]));
    }
    variable.id = graph_.addVariable(std::move(costs));
    for (auto [i, result] : llvm::enumerate(op->getResults())) addCopy(result, *choices, variable, i);
    ops_[op] = std::move(variable);
  }

  // A node must read its operands as the user wants, if any candidate does.
  bool isWanted(const OpChoices& choices, size_t candidate) const {
    auto wants = options_.wants.find(choices.op);
    if (wants == options_.wants.end()) return true;
    auto reads = [&](const OpCandidate& c) {
      for (size_t i = 0; i < wants->second.size() && i < c.shardings.in.size(); ++i)
        if (const std::optional<Pin>& want = wants->second[i]; want && !want->allows(c.shardings.in[i])) return false;
      return true;
    };
    return reads(choices.candidates[candidate]) || llvm::none_of(choices.candidates, reads);
  }

  // A node whose strategy the user fixed must split that dim of that operand, if any candidate does.
  bool isAllowed(const OpChoices& choices, size_t candidate) const {
    if (!isWanted(choices, candidate)) return false;
    auto pin = options_.strategies.find(choices.op);
    if (pin == options_.strategies.end()) return true;
    auto splits = [&](const OpCandidate& c) {
      return pin->second.operand < c.shardings.in.size() &&
             pin->second.dim < c.shardings.in[pin->second.operand].dims.size() &&
             !c.shardings.in[pin->second.operand].dims[pin->second.dim].whole();
    };
    return splits(choices.candidates[candidate]) || llvm::none_of(choices.candidates, splits);
  }

  // A value with several readers is resharded once: the readers see a copy in one state, which may be the original's.
  void addCopy(mlir::Value value, const OpChoices& choices, const Variable& op, size_t result) {
    bool pinned = options_.pins.count(value) > 0;
    if (value.use_empty() || auxiliary_.contains(value) || (value.hasOneUse() && !pinned)) return;
    std::vector<Sharding> outs;
    for (size_t c : op.candidates) outs.push_back(choices.candidates[c].shardings.out[result]);
    std::vector<Sharding> states = space_.statesOf(value);
    for (const Sharding& out : outs)
      if (std::find(states.begin(), states.end(), out) == states.end()) states.push_back(out);
    const Variable& copy = addProducer(value, allowed(value, std::move(states)));
    graph_.addEdge(op.id, copy.id, costTable(value, outs, copy.states));
  }

  // --- costs ----------------------------------------------------------------------------------------------------------------

  std::vector<double> costTable(mlir::Value value, const std::vector<Sharding>& from, const std::vector<Sharding>& to) {
    auto [it, isNew] = costs_.try_emplace(value.getType().getAsOpaquePointer(), nullptr);
    TensorShape shape = shapeOf(value);
    if (isNew) it->second = std::make_unique<TypeCosts>(shape.dims, shape.dtype, options_.reshardSeconds);
    TypeCosts& costs = *it->second;
    std::vector<int> rows, columns;
    for (const Sharding& sharding : from) rows.push_back(costs.number(sharding));
    for (const Sharding& sharding : to) columns.push_back(costs.number(sharding));
    std::vector<double> table;
    for (int row : rows)
      for (int column : columns) table.push_back(costs.cost(row, column));
    if (options_.maxWeightShare < kInfinity && constants_.contains(value)) refuseGathers(value, from, to, table);
    return table;
  }

  // What follows from weights alone is computed at load and stays: gathered, it would be held beside what the limit counts.
  void refuseGathers(mlir::Value value, const std::vector<Sharding>& from, const std::vector<Sharding>& to,
                     std::vector<double>& table) const {
    for (size_t row = 0; row < from.size(); ++row)
      for (size_t column = 0; column < to.size(); ++column)
        if (localBytes(value, to[column]) > localBytes(value, from[row]))
          table[row * to.size() + column] += kUnwantedSeconds;
  }

  // Time on one rank: arithmetic, or the reading of weights if that takes longer. Elementwise chains are fused and cost
  // nothing of their own; activations that several ops share are not charged to each.
  double secondsOf(const OpChoices& choices, const OpCandidate& candidate) const {
    const Row* row = rowOf(choices.op);
    if (!row || !choices.rule) return 0;
    double points = 1;
    for (size_t f = 0; f < choices.rule->factors.size(); ++f)
      points *= sizeAt(choices.rule->factors[f].size, options_.sizes) / partsOf(candidate, f);
    double seconds = decompositionSeconds(choices, candidate);
    if (row->flopsPerPoint == 0 || std::holds_alternative<ScalarBody>(row->lowering)) return seconds;
    double weightBytes = 0;
    for (auto [i, operand] : llvm::enumerate(choices.op->getOperands()))
      if (operand.getDefiningOp<WeightOp>()) weightBytes += localBytes(operand, candidate.shardings.in[i]);
    DType dtype = shapeOf(choices.op->getResult(0)).dtype;
    return seconds + kernelSeconds(*options_.machine, dtype, points * row->flopsPerPoint, weightBytes);
  }

  static int partsOf(const OpCandidate& candidate, size_t factor) {
    int parts = 1;
    for (const FactorSplit& split : candidate.strategy.strategy.splits[factor])
      parts *= static_cast<int>(sizeOf(split.axes));
    return parts;
  }

  // A decomposition combines a value per point of the result's other factors: once where the split factor is reduced (a
  // convolution with a bias), twice where the result has it (the statistics of a softmax or a normalisation).
  double decompositionSeconds(const OpChoices& choices, const OpCandidate& candidate) const {
    std::vector<bool> inResult(choices.rule->factors.size(), false);
    for (const FactorTensor& result : choices.rule->results)
      for (const FactorDim& dim : result.dims)
        for (int f : dim) inResult[static_cast<size_t>(f)] = true;
    int parts = 1, times = 1;
    double statistics = 1;
    for (size_t f = 0; f < choices.rule->factors.size(); ++f) {
      const Factor& factor = choices.rule->factors[f];
      if (factor.kind != FactorKind::kDecomposed) {
        if (inResult[f]) statistics *= sizeAt(factor.size, options_.sizes) / partsOf(candidate, f);
      } else if (int own = partsOf(candidate, f); own > 1) {
        parts *= own;
        if (inResult[f]) times = 2;
      }
    }
    if (parts == 1) return 0;
    return times * collectiveSeconds(*options_.machine, CollectiveCost::kAllReduce, parts, statistics * 4);
  }

  // --- edges ----------------------------------------------------------------------------------------------------------------

  void connectOperands(const OpChoices& choices) {
    auto op = ops_.find(choices.op);
    if (op == ops_.end()) return;
    for (auto [i, operand] : llvm::enumerate(choices.op->getOperands())) {
      std::vector<Sharding> targets;
      for (size_t c : op->second.candidates) targets.push_back(choices.candidates[c].shardings.in[i]);
      connect(operand, op->second.id, targets);
    }
  }

  // Auxiliary values, small constants and absent operands are whole, and making them split is free.
  void connect(mlir::Value value, int to, const std::vector<Sharding>& targets) {
    if (auto producer = producers_.find(value); producer != producers_.end()) {
      graph_.addEdge(producer->second.id, to, costTable(value, producer->second.states, targets));
      return;
    }
    auto op = value.getDefiningOp() ? ops_.find(value.getDefiningOp()) : ops_.end();
    if (op == ops_.end() || auxiliary_.contains(value)) return;
    size_t result = mlir::cast<mlir::OpResult>(value).getResultNumber();
    const OpChoices* choices = space_.find(value.getDefiningOp());
    std::vector<Sharding> outs;
    for (size_t c : op->second.candidates) outs.push_back(choices->candidates[c].shardings.out[result]);
    graph_.addEdge(op->second.id, to, costTable(value, outs, targets));
  }

  // Every rank writes its part of an output, so any split that is a window will do; partial values must be combined.
  void connectOutputs() {
    for (mlir::Value value : block_.getTerminator()->getOperands()) {
      std::vector<Sharding> targets;
      for (const Sharding& state : space_.statesOf(value))
        if (isWindow(state)) targets.push_back(state);
      if (auxiliary_.contains(value)) targets = {whole(value)};
      Variable output;
      output.id = graph_.addVariable(std::vector<double>(targets.size(), 0.0));
      connect(value, output.id, targets);
      output.states = std::move(targets);
      outputs_.push_back(std::move(output));
    }
  }

  void tie(mlir::Value argument, const Variable& output) {
    auto producer = producers_.find(argument);
    if (producer == producers_.end()) return;
    std::vector<double> table;
    for (const Sharding& in : producer->second.states)
      for (const Sharding& out : output.states) table.push_back(in == out ? 0 : kUnwantedSeconds);
    graph_.addEdge(producer->second.id, output.id, std::move(table));
  }

  // --- limits ---------------------------------------------------------------------------------------------------------------

  struct WeightVariable {
    int id;
    std::vector<double> excess;  // bytes of a state above an even share
  };

  double excessOf(const CostGraph::Solution& solution) const {
    double excess = 0;
    for (const WeightVariable& weight : weights_) excess += weight.excess[solution.states[weight.id]];
    return excess;
  }

  // The best plan found whose bytes above an even share are at most `allowedExcess`, and what no such plan is cheaper than.
  struct Limited {
    CostGraph::Solution solution;
    double seconds = kInfinity, bound = 0;
  };

  CostGraph::Solution minimizeAt(double secondsPerByte, double allowedExcess, Limited& limited) {
    for (const WeightVariable& weight : weights_)
      for (size_t s = 0; s < weight.excess.size(); ++s)
        graph_.setCost(weight.id, static_cast<int>(s), secondsPerByte * weight.excess[s]);
    CostGraph::Solution solution = graph_.minimize();
    // Whatever fits pays at most the price of all that is allowed: this is a bound on every plan under the limit.
    double rebate = secondsPerByte > 0 ? secondsPerByte * allowedExcess : 0;
    limited.bound = std::max(limited.bound, solution.cost - solution.gap - rebate);
    double seconds = secondsOf(solution);
    if (limited.seconds == kInfinity || (excessOf(solution) <= allowedExcess && seconds < limited.seconds)) {
      limited.solution = solution;
      limited.seconds = seconds;
    }
    return solution;
  }

  // The price of a byte rises until the plan fits; the cheapest plan seen that fits is taken. Where even the price of a slow disk
  // does not make it fit, no plan does, and the smallest one is taken.
  Limited solveUnder(double allowedExcess) {
    Limited limited;
    double low = 0, high = 1e-3;
    if (excessOf(minimizeAt(high, allowedExcess, limited)) > allowedExcess) return limited;
    if (excessOf(minimizeAt(low, allowedExcess, limited)) <= allowedExcess) return limited;
    for (int i = 0; i < 24; ++i) {
      double middle = low == 0 ? high / 100 : std::sqrt(low * high);
      (excessOf(minimizeAt(middle, allowedExcess, limited)) <= allowedExcess ? high : low) = middle;
      if (low > 0 && high / low < 1.1) break;
    }
    return limited;
  }

  // A little more than the limit is taken where that saves a lot: where heads are fewer than ranks, as those of keys and values
  // may be, nothing else keeps them apart from collectives, and in a small model even they are more than the limit leaves.
  Limited solve() {
    constexpr double kLooserShare = 1.3, kMustSave = 0.2;
    double even = totalWeightBytes_ / numRanks();
    if (options_.maxWeightShare == kInfinity) return solveUnder(kInfinity);
    Limited limited = solveUnder((options_.maxWeightShare - 1) * even);
    if (options_.maxWeightShare >= kLooserShare) return limited;
    Limited looser = solveUnder((kLooserShare - 1) * even);
    return looser.seconds < (1 - kMustSave) * limited.seconds ? looser : limited;
  }

  // Without the price of bytes.
  double secondsOf(const CostGraph::Solution& solution) {
    for (const WeightVariable& weight : weights_) graph_.setCost(weight.id, solution.states[weight.id], 0);
    return graph_.costOf(solution.states);
  }

  SearchResult read(const Limited& limited) {
    const CostGraph::Solution& solution = limited.solution;
    SearchResult result;
    for (const OpChoices& choices : space_.ops()) {
      auto op = ops_.find(choices.op);
      if (op == ops_.end()) continue;
      size_t candidate = op->second.candidates[solution.states[op->second.id]];
      result.strategies.ops[choices.op] = choices.candidates[candidate].strategy;
    }
    for (const auto& [value, variable] : producers_)
      if (!value.getDefiningOp() || !ops_.count(value.getDefiningOp()) || options_.pins.count(value))
        result.strategies.leaves[value] = variable.states[solution.states[variable.id]];
    for (const Variable& output : outputs_)
      result.strategies.results.push_back(output.states[solution.states[output.id]]);
    result.seconds = limited.seconds;
    result.gap = std::max(0.0, result.seconds - limited.bound);
    if (totalWeightBytes_ > 0) result.weightShare = 1 + excessOf(solution) * numRanks() / totalWeightBytes_;
    return result;
  }

  mlir::Block& block_;
  const StrategySpace& space_;
  const Facts& facts_;
  const SearchOptions& options_;
  ConstantValues constants_;
  CostGraph graph_;
  llvm::DenseMap<mlir::Operation*, Variable> ops_;
  llvm::DenseMap<mlir::Value, Variable> producers_;
  std::vector<Variable> outputs_;
  llvm::DenseSet<mlir::Value> auxiliary_;
  std::vector<WeightVariable> weights_;
  double totalWeightBytes_ = 0, largestWholeMatrix_ = 0;
  std::unordered_map<const void*, std::unique_ptr<TypeCosts>> costs_;
};

}  // namespace

SearchResult searchStrategies(mlir::Block& block, const StrategySpace& space, const Facts& facts,
                              const SearchOptions& options) {
  return Search(block, space, facts, options).run();
}

}  // namespace shardwright
