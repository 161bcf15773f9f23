#include <limits>
#include <map>

#include "compiler/analysis/reshard_planner.h"
#include "compiler/analysis/split_symbol.h"
#include "compiler/analysis/strategy_search.h"
#include "compiler/dist/dist_dialect.h"
#include "compiler/dist/module_symbols.h"
#include "compiler/dist/propagated_form.h"
#include "compiler/dist/stage_form.h"
#include "compiler/onnx/onnx_dialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"
#include "passes/passes.h"

namespace shardwright {
namespace {

// What one axis contributed, and the words that --explain says of it.
struct AxisChoice {
  AxisStrategies strategies;
  std::string origin;
  int axis = 0;
  StrategyPins pins = StrategyPins();
};

// Chooses every op's strategy, axis by axis, and with it every sharding.
//
// Contract: the annotated form becomes the propagated one but for its reshards: every op, argument and result has its
// shardings, edges may disagree. What an axis does follows from its name: dp splits the batch (the module's dist.batch), sp the
// sequence, any other is searched; tp (and ep, for experts' weights) under a limit on weights. Each function of a pipeline is
// searched by itself, the first one first: it sends what is cheapest for it, and the receiver makes of it what it wants.
struct ChooseStrategies : mlir::PassWrapper<ChooseStrategies, mlir::OperationPass<mlir::ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(ChooseStrategies)
  ChooseStrategies() = default;
  ChooseStrategies(const ChooseStrategies& other) : PassWrapper(other) {}
  llvm::StringRef getArgument() const final { return "choose-strategies"; }
  llvm::StringRef getDescription() const final { return "choose every op's strategy over the mesh"; }
  void getDependentDialects(mlir::DialectRegistry& registry) const final { registerDistDialect(registry); }

  Option<std::string> machineName{*this, "machine", llvm::cl::desc("the built-in machine that costs are of"),
                                  llvm::cl::init("default_gpu")};
  Option<double> maxWeightShare{*this, "max-weight-share",
                                llvm::cl::desc("of an even share of the weights, what a rank may hold under tp"),
                                llvm::cl::init(1.1)};

  void runOnOperation() final {
    mesh_ = meshOf(getOperation());
    facts_ = factsOf(getOperation());
    sizes_ = assumedSizes(getOperation());
    auto machine = builtInMachine(machineName);
    if (!machine.ok()) return fail(machine.status().message());
    const std::vector<mlir::func::FuncOp> chunks = chunksOf(getOperation());
    if (chunks.empty()) return fail("internal error: the module has no function main");
    for (mlir::func::FuncOp function : chunks) {
      function_ = function;
      if (Status status = chooseForFunction(*machine); !status.ok()) return fail(status.message());
    }
  }

 private:
  void fail(const std::string& message) {
    getOperation().emitError(message);
    signalPassFailure();
  }

  Status chooseForFunction(const Machine& machine) {
    SW_ASSIGN_OR_RETURN(BlockRules rules, BlockRules::build(block(), facts_));
    receive();
    pins_ = pinsOf(function_);
    std::vector<AxisChoice> choices;
    for (int axis = 0; axis < static_cast<int>(mesh_.axes().size()); ++axis) {
      if (mesh_.axes()[axis].size == 1) continue;
      SW_ASSIGN_OR_RETURN(AxisChoice choice, choose(axis, rules, machine));
      choice.axis = axis;
      choice.pins = strategyPinsOf(function_, mesh_.axes()[axis].name);
      for (auto [argument, result] : ties())
        if (auto held = choice.strategies.leaves.find(block().getArgument(argument));
            held != choice.strategies.leaves.end())
          choice.strategies.results[result] = held->second;
      choices.push_back(std::move(choice));
    }
    annotate(choices, rules);
    holdWeights();
    send();
    return Status();
  }

  // --- values between functions ---------------------------------------------------------------------------------------------

  // What is received is held as it was sent.
  void receive() {
    for (unsigned a = 0; a < function_.getNumArguments(); ++a)
      if (auto sharding = sent_.find(argumentNumber(function_, a, kReceiveAttr)); sharding != sent_.end())
        setPin(block().getArgument(a), Pin{sharding->second, {}}, mesh_);
  }

  void send() {
    for (unsigned a = 0; a < function_.getNumArguments(); ++a)
      if (auto sharding = sent_.find(argumentNumber(function_, a, kReceiveAttr)); sharding != sent_.end())
        setArgumentSharding(function_, a, sharding->second, mesh_);  // with the sender's granules
    for (unsigned r = 0; r < function_.getNumResults(); ++r)
      if (int64_t channel = resultNumber(function_, r, kSendAttr); channel >= 0)
        sent_[channel] = shardingOf(function_.getResultAttr(r, kShardingAttr));
  }

  mlir::Block& block() { return function_.getBody().front(); }

  Pins pinsOver(int axis) const {
    Pins restricted;
    for (const auto& [value, pin] : pins_) restricted[value] = pin.restrictedTo(axis, dimsOf(value.getType()), facts_);
    return restricted;
  }

  Wants wantsOver(int axis) const {
    Wants wants = wantsOf(function_);
    for (auto& [op, operands] : wants)
      for (auto [operand, want] : llvm::zip(op->getOperands(), operands))
        if (want) want = want->restrictedTo(axis, dimsOf(operand.getType()), facts_);
    return wants;
  }

  StatusOr<AxisChoice> choose(int axis, const BlockRules& rules, const Machine& machine) {
    const std::string& name = mesh_.axes()[axis].name;
    bool isSymbolAxis = name == "dp" || name == "sp";
    bool hasSymbol = !(name == "dp" ? batchOf(getOperation()) : sequenceSymbol()).empty();
    // Where there is no symbol to split, what the user said of single tensors is all there is to follow.
    if (isSymbolAxis && (hasSymbol || !isAskedFor(axis))) return splitOneSymbol(axis, name, rules);
    return search(axis, name, rules, machine);
  }

  bool isAskedFor(int axis) const {
    return llvm::any_of(pins_, [&](const auto& entry) {
      return llvm::any_of(entry.second.sharding.usedAxes(), [&](const SubAxis& sub) { return sub.axis == axis; });
    });
  }

  StatusOr<AxisChoice> splitOneSymbol(int axis, const std::string& name, const BlockRules& rules) {
    bool isBatch = name == "dp";
    std::string symbol = isBatch ? batchOf(getOperation()) : sequenceSymbol();
    if (symbol.empty())
      return userError("axis " + name + " splits the " + (isBatch ? "batch" : "sequence") +
                       ", and no input has a symbolic " + (isBatch ? "first" : "second") + " dim; " +
                       (isBatch
                            ? "say which symbol it is with --batch, export the model with a dynamic batch, or use tp"
                            : "export the model with a dynamic sequence, or use an axis of another name"));
    return AxisChoice{splitSymbol(block(), rules, facts_, mesh_, axis, symbol, pinsOver(axis)),
                      name + ": " + (isBatch ? "batch" : "sequence") + " symbol " + symbol};
  }

  // The symbol beside the batch in the inputs, or in front where the model has no batch.
  std::string sequenceSymbol() {
    std::string batch = batchOf(getOperation());
    for (mlir::func::FuncOp function : chunksOf(getOperation())) {
      for (mlir::Type type : function.getArgumentTypes()) {
        Exprs dims = dimsOf(type);
        size_t at = !batch.empty() && !dims.empty() && dims[0] == Expr::symbol(batch) ? 1 : 0;
        if (dims.size() > at && dims[at].isSymbol()) return dims[at].symbolName();
      }
    }
    return "";
  }

  StatusOr<AxisChoice> search(int axis, const std::string& name, const BlockRules& rules, const Machine& machine) {
    ReshardPlanner planner(mesh_, facts_, sizes_, machine);
    SpaceOptions spaceOptions;
    spaceOptions.axis = axis;
    if (name == "ep" && !hasExperts())
      return userError("axis ep splits experts, and no weight of the model has three dims or more; use tp");
    SW_RETURN_IF_ERROR(checkSize(axis, name));
    using Seeds = SpaceOptions::Seeds;
    spaceOptions.seeds = name == "tp" ? Seeds::kConstantSizes : name == "ep" ? Seeds::kExperts : Seeds::kAllSizes;
    spaceOptions.pins = pinsOver(axis);
    spaceOptions.strategies = strategyPinsOf(function_, name);
    StrategySpace space(block(), rules, facts_, mesh_, spaceOptions);
    SearchOptions options;
    options.mesh = mesh_;
    options.axis = axis;
    options.sizes = sizes_;
    options.machine = &machine;
    options.reshardSeconds = [&](llvm::ArrayRef<Expr> dims, DType dtype, const Sharding& from, const Sharding& to) {
      return planner.seconds(dims, dtype, from, to);
    };
    options.maxWeightShare = name == "tp" || name == "ep" ? maxWeightShare : std::numeric_limits<double>::infinity();
    options.minWeightRank = name == "ep" ? 3 : 0;
    options.ties = ties();
    options.pins = spaceOptions.pins;
    options.strategies = spaceOptions.strategies;
    options.wants = wantsOver(axis);
    SearchResult result = searchStrategies(block(), space, facts_, options);
    record(name, result);
    return AxisChoice{std::move(result.strategies), name + ": search"};
  }

  // An axis that has more ranks than any dim has elements would leave every rank with all of the model.
  Status checkSize(int axis, const std::string& name) {
    int64_t size = mesh_.axes()[axis].size, longest = 0;
    // tp and ep split no dim of symbolic size by themselves.
    bool ignoresSymbols = name == "tp" || name == "ep", isBounded = true;
    auto look = [&](mlir::Value value) {
      if (isNone(value)) return;
      for (Expr dim : dimsOf(value.getType())) {
        isBounded &= dim.constant().has_value() || ignoresSymbols;
        longest = std::max(longest, dim.constant().value_or(0));
      }
    };
    for (mlir::func::FuncOp function : chunksOf(getOperation())) {
      llvm::for_each(function.getArguments(), look);
      for (mlir::Operation& op : function.getBody().front()) llvm::for_each(op.getResults(), look);
    }
    if (!isBounded || longest <= 1 || size <= longest || isAskedFor(axis)) return Status();
    return userError("axis " + name + " has " + std::to_string(size) +
                     " ranks, and the longest dim of the model that " + name + " splits has " +
                     std::to_string(longest) + " elements; give it at most as many ranks");
  }

  bool hasExperts() {
    return llvm::any_of(chunksOf(getOperation()), [](mlir::func::FuncOp function) {
      return llvm::any_of(function.getBody().front().getOps<WeightOp>(),
                          [](WeightOp weight) { return dimsOf(weight->getResult(0).getType()).size() >= 3; });
    });
  }

  // The module's dist.state by number of argument and result.
  std::vector<std::pair<unsigned, unsigned>> ties() {
    std::vector<std::pair<unsigned, unsigned>> result;
    auto states = getOperation()->getAttrOfType<mlir::DictionaryAttr>("dist.state");
    for (unsigned a = 0; states && a < function_.getNumArguments(); ++a) {
      auto input = function_.getArgAttrOfType<mlir::StringAttr>(a, "onnx.name");
      auto output = input ? states.getAs<mlir::StringAttr>(input.getValue()) : mlir::StringAttr();
      for (unsigned r = 0; output && r < function_.getNumResults(); ++r)
        if (function_.getResultAttr(r, "onnx.name") == output) result.emplace_back(a, r);
    }
    return result;
  }

  // For reports: dist.search = {tp = {seconds = …, gap = …, weight_share = …}}; of a pipeline the sums, and the largest share.
  void record(const std::string& name, const SearchResult& result) {
    mlir::Builder builder(&getContext());
    mlir::NamedAttrList searches(getOperation()->getAttrOfType<mlir::DictionaryAttr>("dist.search"));
    mlir::NamedAttrList fields;
    auto before = mlir::dyn_cast_or_null<mlir::DictionaryAttr>(searches.get(name));
    auto earlier = [&](llvm::StringRef field) {
      auto number = before ? before.getAs<mlir::FloatAttr>(field) : mlir::FloatAttr();
      return number ? number.getValueAsDouble() : 0.0;
    };
    fields.set("gap", builder.getF64FloatAttr(result.gap + earlier("gap")));
    fields.set("seconds", builder.getF64FloatAttr(result.seconds + earlier("seconds")));
    fields.set("weight_share", builder.getF64FloatAttr(std::max(result.weightShare, earlier("weight_share"))));
    searches.set(name, fields.getDictionary(&getContext()));
    getOperation()->setAttr("dist.search", searches.getDictionary(&getContext()));
  }

  // --- what was chosen, as attributes ---------------------------------------------------------------------------------------

  void annotate(const std::vector<AxisChoice>& choices, const BlockRules& rules) {
    for (mlir::BlockArgument argument : block().getArguments()) {
      if (isNone(argument)) continue;
      setArgumentSharding(function_, argument.getArgNumber(), held(argument, choices), mesh_);
      if (!function_.getArgAttr(argument.getArgNumber(), kOriginAttr))
        function_.setArgAttr(argument.getArgNumber(), kOriginAttr, leafOrigin(argument, choices));
    }
    for (mlir::Operation& op : llvm::make_early_inc_range(block().without_terminator())) annotate(op, choices, rules);
    for (mlir::OpOperand& operand : block().getTerminator()->getOpOperands()) {
      Sharding sharding = wholeSharding(operand.get());
      for (const AxisChoice& choice : choices)
        if (!choice.strategies.results.empty())
          sharding = composeWindow(sharding, choice.strategies.results[operand.getOperandNumber()], operand.get());
      setResultSharding(function_, operand.getOperandNumber(), sharding, mesh_);
    }
  }

  void annotate(mlir::Operation& op, const std::vector<AxisChoice>& choices, const BlockRules& rules) {
    const Rule* rule = rules.find(&op);
    OpStrategy strategy;
    std::string origin;
    if (rule) strategy.strategy = Strategy(static_cast<int>(rule->factors.size()));
    for (const AxisChoice& choice : choices) {
      auto own = choice.strategies.ops.find(&op);
      if (own == choice.strategies.ops.end() || !rule) continue;
      strategy = compose(&op, rules, strategy, own->second);
      origin += (origin.empty() ? "" : "; ") + choice.origin;
    }
    OpShardings shardings = shardingsOf(&op, rule, strategy, facts_);
    if (mlir::isa<WeightOp>(op)) shardings.out = {held(op.getResult(0), choices)};
    for (const AxisChoice& choice : choices) checkPinnedStrategy(&op, rules, shardings, choice);
    setInShardings(&op, shardings.in, mesh_);
    setOutShardings(&op, shardings.out, mesh_);
    if (rule) op.setAttr(kStrategyAttr, mlir::StringAttr::get(&getContext(), str(*rule, strategy, mesh_)));
    if (!op.hasAttr(kOriginAttr))
      op.setAttr(kOriginAttr, mlir::isa<WeightOp>(op)
                                  ? leafOrigin(op.getResult(0), choices)
                                  : mlir::StringAttr::get(&getContext(), origin.empty() ? "default" : origin));
    if (mlir::isa<WeightOp>(op)) return;
    for (mlir::OpResult result : op.getResults())
      if (pins_.count(result)) holdPinned(result, shardings.out[result.getResultNumber()], choices);
  }

  // A strategy that the user fixed and that the op, or the other axes, leave no room for.
  void checkPinnedStrategy(mlir::Operation* op, const BlockRules& rules, const OpShardings& shardings,
                           const AxisChoice& choice) {
    auto pin = choice.pins.find(op);
    if (pin == choice.pins.end()) return;
    auto [operand, dim] = pin->second;
    AxisList axes = shardings.in[operand].dims[dim].axes();
    if (llvm::any_of(axes, [&](const SubAxis& sub) { return sub.axis == choice.axis; })) return;
    const std::string& name = mesh_.axes()[choice.axis].name;
    std::string allowed, asked = std::to_string(operand) + "." + std::to_string(dim);
    const Rule* rule = rules.find(op);
    for (size_t i = 0; rule && i < rule->operands.size(); ++i)
      for (size_t d = 0; d < rule->operands[i].dims.size(); ++d)
        if (canSplit(op, rules, rule->operands[i].dims[d], choice.axis))
          allowed += (allowed.empty() ? "" : ", ") + std::to_string(i) + "." + std::to_string(d);
    bool isAlone = (", " + allowed + ",").find(", " + asked + ",") != std::string::npos;
    op->emitError("the spec's strategy has axis " + name + " split dim " + std::to_string(dim) + " of operand " +
                  std::to_string(operand) + ", and ")
        << (isAlone ? "what else the mesh's axes do here leaves no room for it"
                    : op->getName().getStringRef().str() + " needs that dim whole")
        << "; " << (allowed.empty() ? "no dim of it can be split" : "by itself it can be split at " + allowed);
    signalPassFailure();
  }

  bool canSplit(mlir::Operation* op, const BlockRules& rules, const FactorDim& factors, int axis) const {
    return llvm::any_of(factors, [&](int f) {
      const Rule& rule = *rules.find(op);
      Strategy strategy(static_cast<int>(rule.factors.size()));
      strategy.splits[f].push_back({1, {mesh_.whole(axis)}, rule.factors[f].size});
      return rules.admits(op, strategy);
    });
  }

  mlir::StringAttr leafOrigin(mlir::Value value, const std::vector<AxisChoice>& choices) {
    std::string origin;
    for (const AxisChoice& choice : choices)
      if (choice.strategies.leaves.count(value)) origin += (origin.empty() ? "" : "; ") + choice.origin;
    return mlir::StringAttr::get(&getContext(), origin.empty() ? "default" : origin);
  }

  // A pinned value is turned into what the user wants as soon as it exists.
  void holdPinned(mlir::OpResult result, const Sharding& out, const std::vector<AxisChoice>& choices) {
    Sharding pinned = held(result, choices);
    if (pinned == out) return;
    mlir::OpBuilder builder(result.getOwner()->getBlock(), std::next(result.getOwner()->getIterator()));
    auto attr = [&](const Sharding& s) { return mlir::cast<ShardingAttr>(shardingAttr(&getContext(), s, mesh_)); };
    auto reshard = builder.create<dist::ReshardOp>(result.getLoc(), result.getType(), result, attr(out), attr(pinned));
    result.replaceAllUsesExcept(reshard, reshard);
  }

  // How an argument, a weight or a pinned value is held.
  Sharding held(mlir::Value value, const std::vector<AxisChoice>& choices) const {
    Sharding sharding = wholeSharding(value);
    bool mustBeWindow = mlir::isa<mlir::BlockArgument>(value);
    for (const AxisChoice& choice : choices) {
      auto own = choice.strategies.leaves.find(value);
      if (own == choice.strategies.leaves.end()) continue;
      sharding = mustBeWindow ? composeWindow(sharding, own->second, value)
                              : compose(sharding, own->second, dimsOf(value.getType()), facts_);
    }
    if (auto pin = pins_.find(value); pin != pins_.end())
      sharding = pin->second.imposedOn(sharding, dimsOf(value.getType()), facts_);
    return sharding;
  }

  Sharding composeWindow(const Sharding& a, const Sharding& b, mlir::Value value) const {
    Sharding both = compose(a, b, dimsOf(value.getType()), facts_);
    return isWindow(both) ? both : a;
  }

  // --- weights --------------------------------------------------------------------------------------------------------------

  // A weight is stored as its readers want it, once per distinct sharding, unless that would take what the search decided to
  // save: a reader that wants more than is held gathers it.
  void holdWeights() {
    llvm::SmallVector<WeightOp> weights(block().getOps<WeightOp>());
    for (WeightOp weight : weights) {
      mlir::Value value = weight->getResult(0);
      if (pins_.count(value)) continue;
      Exprs dims = dimsOf(value.getType());
      Sharding stored = outSharding(weight->getResult(0));
      int64_t storedCount = maxLocalCount(stored, dims, mesh_, sizes_);
      std::vector<std::pair<Sharding, WeightOp>> copies;
      llvm::SmallVector<mlir::OpOperand*> uses;
      for (mlir::OpOperand& use : value.getUses()) uses.push_back(&use);
      bool isWanted = llvm::any_of(uses, [&](mlir::OpOperand* use) { return wantedSharding(*use) == stored; });
      for (mlir::OpOperand* use : llvm::reverse(uses)) {
        Sharding wanted = *wantedSharding(*use);
        int64_t wantedCount = maxLocalCount(wanted, dims, mesh_, sizes_);
        if (wanted == stored || wantedCount > storedCount || !wanted.partial.empty() ||
            (isWanted && wantedCount < storedCount))
          continue;
        auto copy = llvm::find_if(copies, [&](const auto& made) { return made.first == wanted; });
        if (copy == copies.end()) copy = copies.insert(copies.end(), {wanted, copyWeight(weight, wanted)});
        use->set(copy->second->getResult(0));
      }
      if (weight->use_empty()) weight->erase();
    }
  }

  WeightOp copyWeight(WeightOp weight, const Sharding& sharding) {
    mlir::OpBuilder builder(weight->getBlock(), std::next(weight->getIterator()));
    auto copy = mlir::cast<WeightOp>(builder.clone(*weight));
    setOutShardings(copy, {sharding}, mesh_);
    return copy;
  }

  mlir::func::FuncOp function_;
  Mesh mesh_;
  Facts facts_;
  Bindings sizes_;
  Pins pins_;
  std::map<int64_t, Sharding> sent_;  // by channel
};

}  // namespace

std::unique_ptr<mlir::Pass> createChooseStrategiesPass() { return std::make_unique<ChooseStrategies>(); }

}  // namespace shardwright
