#include "compiler/analysis/strategy_search.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "compiler/analysis/elimination.h"
#include "compiler/target/cost_model.h"

namespace shardwright {
namespace {

// A variable of the search: an op's candidate, a leaf's state, or the one resharded copy of a value that has several readers.
struct Variable {
  int id = -1;
  std::vector<int> candidates;   // of an op: the candidates that its states are
  std::vector<Sharding> states;  // of a leaf or a copy
};

double evaluate(Expr e, const Bindings& sizes) {
  auto value = e.evaluate(sizes);
  return value.ok() ? static_cast<double>(*value) : 1.0;
}

class Search {
 public:
  Search(mlir::Block& block, const StrategySpace& space, const Facts& facts, const SearchOptions& options)
      : block_(block), space_(space), facts_(facts), options_(options) {}

  StatusOr<ChosenStrategies> run() {
    findAuxiliary();
    collectWeights();
    for (mlir::Value argument : block_.getArguments()) addLeaf(argument, {});
    for (mlir::Operation& op : block_) addOp(&op);
    for (const OpChoices& op : space_.ops()) connectOperands(op);
    connectOutputs();
    CostGraph::Solution solution = solveUnderLimit();
    return read(solution);
  }

 private:
  // --- what is searched -----------------------------------------------------------------------------------------------------

  // Masks, positions and sizes: values without a weight or a float input among their ancestors. They are whole: making them
  // split is a free slice, and leaving them out keeps the graph narrow.
  void findAuxiliary() {
    for (mlir::Value argument : block_.getArguments())
      if (!isFloat(dtypeOf(argument.getType()))) auxiliary_.insert(argument);
    for (mlir::Operation& op : block_) {
      bool isLeaf = op.getNumOperands() == 0;
      bool isWeight = isLeaf && op.hasAttr("location");
      bool all = llvm::all_of(op.getOperands(), [&](mlir::Value v) { return auxiliary_.contains(v); });
      if (!isWeight && all)
        for (mlir::Value result : op.getResults()) auxiliary_.insert(result);
    }
  }

  double bytesOf(mlir::Value value) const {
    double count = 1;
    for (Expr dim : dimsOf(value.getType())) count *= evaluate(dim, options_.sizes);
    return count * bitWidth(dtypeOf(value.getType())) / 8;
  }

  static bool isWeight(mlir::Operation& op) { return op.getNumOperands() == 0 && op.hasAttr("location"); }

  void collectWeights() {
    std::vector<double> matrices;
    for (mlir::Operation& op : block_) {
      if (!isWeight(op)) continue;
      mlir::Value weight = op.getResult(0);
      // Tables that no rule can split are outside the limit.
      if (space_.statesOf(weight).size() < 2) continue;
      totalWeightBytes_ += bytesOf(weight);
      if (dimsOf(weight.getType()).size() >= 2) matrices.push_back(bytesOf(weight));
    }
    if (matrices.empty()) return;
    std::nth_element(matrices.begin(), matrices.begin() + matrices.size() / 2, matrices.end());
    largestWholeMatrix_ = matrices[matrices.size() / 2] / 4;
  }

  int64_t numRanks() const { return options_.mesh.axes()[options_.axis].size; }

  double localBytes(mlir::Value value, const Sharding& sharding) const {
    Exprs dims = dimsOf(value.getType());
    return static_cast<double>(maxLocalCount(sharding, dims, options_.mesh, options_.sizes)) *
           bitWidth(dtypeOf(value.getType())) / 8;
  }

  void addLeaf(mlir::Value value, const std::vector<Sharding>& states) {
    Variable variable;
    auto pin = options_.pins.find(value);
    if (pin != options_.pins.end())
      variable.states = {pin->second};
    else if (auxiliary_.contains(value) || mlir::isa<mlir::NoneType>(value.getType()))
      variable.states = {whole(value)};
    else
      variable.states = states.empty() ? space_.statesOf(value) : states;
    variable.id = graph_.addVariable(std::vector<double>(variable.states.size(), 0.0));
    producers_[value] = variable;
  }

  Sharding whole(mlir::Value value) const {
    return Sharding::replicated(mlir::isa<mlir::NoneType>(value.getType()) ? 0 : dimsOf(value.getType()).size());
  }

  void addWeight(mlir::Operation& op) {
    mlir::Value weight = op.getResult(0);
    std::vector<Sharding> states = space_.statesOf(weight);
    bool isMatrix = dimsOf(weight.getType()).size() >= 2;
    if (states.size() > 1 && isMatrix && bytesOf(weight) > largestWholeMatrix_) states.erase(states.begin());
    addLeaf(weight, states);
    const Variable& variable = producers_[weight];
    WeightVariable entry{variable.id, {}};
    for (const Sharding& state : variable.states)
      entry.excess.push_back(localBytes(weight, state) - bytesOf(weight) / numRanks());
    if (space_.statesOf(weight).size() > 1) weights_.push_back(std::move(entry));
  }

  void addOp(mlir::Operation* op) {
    if (op->getNumResults() == 0) return;
    const OpChoices* choices = space_.find(op);
    if (!choices) {
      if (isWeight(*op))
        addWeight(*op);
      else
        for (mlir::Value result : op->getResults()) addLeaf(result, {whole(result)});
      return;
    }
    Variable variable;
    std::vector<double> costs;
    bool isAuxiliary = llvm::all_of(op->getResults(), [&](mlir::Value v) { return auxiliary_.contains(v); });
    for (size_t c = 0; c < choices->candidates.size() && !(isAuxiliary && c > 0); ++c) {
      variable.candidates.push_back(c);
      costs.push_back(secondsOf(*choices, choices->candidates[c]));
    }
    variable.id = graph_.addVariable(std::move(costs));
    ops_[op] = variable;
    for (auto [i, result] : llvm::enumerate(op->getResults())) addCopy(result, *choices, variable, i);
  }

  // A value with several readers is resharded once: the readers see a copy in one state, which may be the original's.
  void addCopy(mlir::Value value, const OpChoices& choices, const Variable& op, unsigned result) {
    std::vector<Sharding> outs;
    for (int c : op.candidates) outs.push_back(choices.candidates[c].out[result]);
    auto pin = options_.pins.find(value);
    bool single = value.hasOneUse() && pin == options_.pins.end();
    if (single || value.use_empty()) return;
    Variable copy;
    if (pin != options_.pins.end()) {
      copy.states = {pin->second};
    } else {
      copy.states = space_.statesOf(value);
      for (const Sharding& out : outs)
        if (std::find(copy.states.begin(), copy.states.end(), out) == copy.states.end()) copy.states.push_back(out);
      if (op.candidates.size() == 1 && outs[0].isReplicated()) copy.states = {outs[0]};
    }
    copy.id = graph_.addVariable(std::vector<double>(copy.states.size(), 0.0));
    std::vector<double> table;
    for (const Sharding& from : outs)
      for (const Sharding& to : copy.states) table.push_back(reshard(value, from, to));
    graph_.addEdge(op.id, copy.id, std::move(table));
    producers_[value] = copy;
  }

  // --- costs ----------------------------------------------------------------------------------------------------------------

  double reshard(mlir::Value value, const Sharding& from, const Sharding& to) {
    if (from == to) return 0;
    auto key = std::make_tuple(value.getType().getAsOpaquePointer(), str(from, options_.mesh), str(to, options_.mesh));
    auto [it, isNew] = reshardMemo_.try_emplace(key, 0.0);
    if (isNew) it->second = options_.reshardSeconds(dimsOf(value.getType()), dtypeOf(value.getType()), from, to);
    return it->second;
  }

  // Time on one rank: arithmetic, or the reading of weights if that takes longer. Elementwise chains are fused and cost nothing
  // of their own; activations that several ops share are not charged to each.
  double secondsOf(const OpChoices& choices, const OpCandidate& candidate) const {
    const Row* row = rowOf(choices.op);
    if (!row || !choices.hasRule) return 0;
    double points = 1, statistics = 1;
    int64_t decomposed = 1;
    for (size_t f = 0; f < choices.rule.factors.size(); ++f) {
      double size = evaluate(choices.rule.factors[f].size, options_.sizes), parts = 1;
      for (const FactorSplit& split : candidate.strategy.splits[f]) {
        double granules = std::max(1.0, evaluate(split.granules, options_.sizes));
        double n = static_cast<double>(sizeOf(split.axes));
        parts *= granules / std::ceil(granules / n);
      }
      points *= size / parts;
      if (choices.rule.factors[f].kind == FactorKind::kDecomposed && parts > 1)
        decomposed *= static_cast<int64_t>(n(candidate, f));
      else
        statistics *= size / parts;
    }
    DType dtype = shapeOf(choices.op->getResult(0)).dtype;
    double seconds = 0;
    if (row->flopsPerPoint > 0) {
      double weightBytes = 0;
      for (auto [i, operand] : llvm::enumerate(choices.op->getOperands()))
        if (mlir::Operation* producer = operand.getDefiningOp(); producer && isWeight(*producer))
          weightBytes += localBytes(operand, candidate.in[i]);
      seconds = kernelSeconds(*options_.machine, dtype, points * row->flopsPerPoint, weightBytes);
    }
    // Two statistics are combined, each a value per point of the other factors.
    if (decomposed > 1)
      seconds += 2 * collectiveSeconds(*options_.machine, CollectiveCost::kAllReduce, decomposed, statistics * 4);
    return seconds;
  }

  static int64_t n(const OpCandidate& candidate, size_t factor) {
    int64_t parts = 1;
    for (const FactorSplit& split : candidate.strategy.splits[factor]) parts *= sizeOf(split.axes);
    return parts;
  }

  // --- edges ----------------------------------------------------------------------------------------------------------------

  void connectOperands(const OpChoices& choices) {
    const Variable& op = ops_[choices.op];
    for (auto [i, operand] : llvm::enumerate(choices.op->getOperands())) {
      if (mlir::isa<mlir::NoneType>(operand.getType()) || auxiliary_.contains(operand)) continue;
      std::vector<Sharding> targets;
      for (int c : op.candidates) targets.push_back(choices.candidates[c].in[i]);
      connect(operand, op.id, targets);
    }
  }

  void connect(mlir::Value value, int to, const std::vector<Sharding>& targets) {
    auto producer = producers_.find(value);
    std::vector<double> table;
    if (producer != producers_.end()) {
      for (const Sharding& from : producer->second.states)
        for (const Sharding& target : targets) table.push_back(reshard(value, from, target));
      if (producer->second.id != to) graph_.addEdge(producer->second.id, to, std::move(table));
      return;
    }
    mlir::Operation* op = value.getDefiningOp();
    const Variable& variable = ops_[op];
    unsigned result = mlir::cast<mlir::OpResult>(value).getResultNumber();
    const OpChoices* choices = space_.find(op);
    for (int c : variable.candidates)
      for (const Sharding& target : targets)
        table.push_back(reshard(value, choices->candidates[c].out[result], target));
    graph_.addEdge(variable.id, to, std::move(table));
  }

  // Every rank writes its part of an output, so any split that is a window will do; partial values must be combined.
  void connectOutputs() {
    for (mlir::Value value : block_.getTerminator()->getOperands()) {
      std::vector<Sharding> targets;
      for (const Sharding& state : space_.statesOf(value)) {
        bool isWindow = llvm::all_of(state.dims, [](const DimSharding& dim) { return dim.factors.size() <= 1; });
        if (isWindow) targets.push_back(state);
      }
      int output = graph_.addVariable(std::vector<double>(targets.size(), 0.0));
      connect(value, output, targets);
    }
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

  CostGraph::Solution minimizeAt(double secondsPerByte) {
    for (const WeightVariable& weight : weights_)
      for (size_t s = 0; s < weight.excess.size(); ++s) graph_.setCost(weight.id, s, secondsPerByte * weight.excess[s]);
    return graph_.minimize();
  }

  // Under the limit the price of a byte rises until the plan fits; the cheapest plan seen that fits is taken. Where even the
  // price of a slow disk does not make it fit, no plan does, and the smallest one is taken.
  CostGraph::Solution solveUnderLimit() {
    double allowed = (options_.maxWeightShare - 1) * totalWeightBytes_ / numRanks();
    CostGraph::Solution best = minimizeAt(0);
    if (excessOf(best) <= allowed) return best;
    double low = 0, high = 1e-3;
    best = minimizeAt(high);
    if (excessOf(best) > allowed) return best;
    for (int i = 0; i < 24; ++i) {
      double middle = low == 0 ? high / 100 : std::sqrt(low * high);
      CostGraph::Solution solution = minimizeAt(middle);
      if (excessOf(solution) <= allowed)
        best = solution, high = middle;
      else
        low = middle;
      if (low > 0 && high / low < 1.1) break;
    }
    return best;
  }

  ChosenStrategies read(const CostGraph::Solution& solution) {
    ChosenStrategies chosen;
    for (const auto& [op, variable] : ops_) chosen.candidates[op] = variable.candidates[solution.states[variable.id]];
    for (const auto& [value, variable] : producers_)
      if (!ops_.count(value.getDefiningOp())) chosen.states[value] = variable.states[solution.states[variable.id]];
    chosen.gap = solution.gap;
    for (const WeightVariable& weight : weights_) graph_.setCost(weight.id, solution.states[weight.id], 0);
    chosen.seconds = graph_.costOf(solution.states);
    if (totalWeightBytes_ > 0) chosen.weightShare = 1 + excessOf(solution) * numRanks() / totalWeightBytes_;
    return chosen;
  }

  mlir::Block& block_;
  const StrategySpace& space_;
  const Facts& facts_;
  const SearchOptions& options_;
  CostGraph graph_;
  llvm::DenseMap<mlir::Operation*, Variable> ops_;
  llvm::DenseMap<mlir::Value, Variable> producers_;
  llvm::DenseSet<mlir::Value> auxiliary_;
  std::vector<WeightVariable> weights_;
  double totalWeightBytes_ = 0, largestWholeMatrix_ = 0;
  std::map<std::tuple<const void*, std::string, std::string>, double> reshardMemo_;
};

}  // namespace

StatusOr<ChosenStrategies> searchStrategies(mlir::Block& block, const StrategySpace& space, const Facts& facts,
                                            const SearchOptions& options) {
  return Search(block, space, facts, options).run();
}

}  // namespace shardwright
