#include "tests/ops/rule_variants.h"

#include "compiler/dist/dist_dialect.h"
#include "compiler/dist/module_symbols.h"
#include "compiler/ops/row.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace shardwright {
namespace {

struct NamedStrategy {
  Strategy strategy;
  std::string name;
};

// What an op holds under a strategy.
struct Shardings {
  std::vector<Sharding> in, out;
};

bool isNone(mlir::Type type) { return mlir::isa<mlir::NoneType>(type); }

int rankOf(mlir::Type type) { return isNone(type) ? 0 : static_cast<int>(dimsOf(type).size()); }

class ModuleOfVariants {
 public:
  ModuleOfVariants(mlir::ModuleOp module, const Mesh& mesh, std::optional<RuleFault> fault, std::optional<int> only)
      : module_(module),
        function_(module.lookupSymbol<mlir::func::FuncOp>("main")),
        mesh_(mesh),
        fault_(fault),
        only_(only) {}

  StatusOr<std::vector<RuleVariant>> run() {
    module_->setAttr("dist.mesh", meshAttr(module_.getContext(), mesh_));
    facts_ = factsOf(module_);
    for (size_t a = 0; a < mesh_.axes().size(); ++a) allAxes_.push_back(mesh_.whole(static_cast<int>(a)));
    std::vector<mlir::Operation*> ops;
    for (mlir::Operation& op : function_.getBody().front())
      if (rowOf(&op)) ops.push_back(&op);
    outputs_.assign(terminator()->operand_begin(), terminator()->operand_end());
    for (mlir::Operation* op : ops) SW_RETURN_IF_ERROR(addOp(op));
    setOutputs();
    return std::move(variants_);
  }

 private:
  mlir::Operation* terminator() { return function_.getBody().front().getTerminator(); }

  Status addOp(mlir::Operation* op) {
    const Row& row = *rowOf(op);
    if (std::holds_alternative<std::monostate>(row.lowering)) return Status();
    const OpView view(op, facts_);
    SW_ASSIGN_OR_RETURN(const Rule rule, ruleOf(view, row));
    text_ = ruleText(view, row);
    whole_ = static_cast<int>(outputs_.size());
    outputs_.insert(outputs_.end(), op->result_begin(), op->result_end());
    if (fault_) {
      addFaults(op, row, rule);
      return Status();
    }
    for (const auto& [strategy, name] : strategies(rule))
      if (!row.admits || row.admits(view, rule, strategy)) addStrategy(op, rule, strategy, "split of " + name);
    for (uint32_t operandsThatArePartial : partialOperands(view, row)) addPartial(op, operandsThatArePartial);
    return Status();
  }

  // --- strategies -----------------------------------------------------------------------------------------------------------------

  static FactorSplit splitOf(const Factor& factor, const AxisList& axes, int64_t outer = 1) {
    const int64_t n = sizeOf(axes);
    const Expr size = outer == 1 ? factor.size : *factor.size.dividedBy(Expr(outer));
    const bool isEven = size.isConstant() && *size.constant() % n == 0;
    return {Expr(outer), axes, isEven ? Expr(n) : size};
  }

  static bool maySplit(const Factor& f) {
    return f.kind != FactorKind::kWhole && f.kind != FactorKind::kDecomposed && f.kind != FactorKind::kHalo &&
           f.size != Expr(1);
  }

  static Strategy strategyOf(const Rule& rule, int factor, const FactorSplit& split) {
    Strategy strategy(static_cast<int>(rule.factors.size()));
    strategy.splits[static_cast<size_t>(factor)] = {split};
    return strategy;
  }

  // Each factor over all axes together; strided, in wholes of two elements, and over a part of an axis, where its size allows;
  // and, on meshes of two axes, pairs of factors over one axis each.
  std::vector<NamedStrategy> strategies(const Rule& rule) const {
    std::vector<NamedStrategy> found;
    const int numFactors = static_cast<int>(rule.factors.size());
    for (int f = 0; f < numFactors; ++f) {
      const Factor& factor = rule.factors[static_cast<size_t>(f)];
      if (!maySplit(factor)) continue;
      found.push_back({strategyOf(rule, f, splitOf(factor, allAxes_)), factor.name});
      const int64_t size = factor.size.constant().value_or(1), parts = sizeOf(allAxes_);
      for (int64_t outer : {2, 3})
        if (size % outer == 0 && size / outer > 1)
          found.push_back({strategyOf(rule, f, splitOf(factor, allAxes_, outer)), factor.name + ", strided"});
      if (size % 2 == 0 && size / 2 % parts != 0 && size > 2)
        found.push_back({strategyOf(rule, f, {Expr(1), allAxes_, Expr(size / 2)}), factor.name + ", in pairs"});
      if (mesh_.axes().size() == 1 && mesh_.axes()[0].size == 4)
        for (const char* part : {":(1)2", ":(2)2"})
          found.push_back({strategyOf(rule, f, splitOf(factor, {*mesh_.parseSubAxis(mesh_.axes()[0].name + part)})),
                           factor.name + " over " + part});
      for (int g = 0; g < numFactors && mesh_.axes().size() == 2; ++g) {
        const Factor& other = rule.factors[static_cast<size_t>(g)];
        if (g == f || !maySplit(other)) continue;
        Strategy two = strategyOf(rule, f, splitOf(factor, {mesh_.whole(0)}));
        two.splits[static_cast<size_t>(g)] = {splitOf(other, {mesh_.whole(1)})};
        found.push_back({two, factor.name + " and " + other.name});
      }
    }
    return found;
  }

  Shardings shardingsOf(mlir::Operation* op, const Rule& rule, const Strategy& strategy) const {
    Shardings s;
    auto add = [&](std::vector<Sharding>& list, const FactorTensor& tensor, mlir::Type type, bool isResult) {
      list.push_back(isNone(type) ? Sharding() : project(rule, strategy, tensor, isResult, dimsOf(type), facts_));
    };
    for (unsigned i = 0; i < op->getNumOperands(); ++i) add(s.in, rule.operands[i], op->getOperand(i).getType(), false);
    for (unsigned i = 0; i < op->getNumResults(); ++i) add(s.out, rule.results[i], op->getResult(i).getType(), true);
    return s;
  }

  void addStrategy(mlir::Operation* op, const Rule& rule, const Strategy& strategy, const std::string& what) {
    const Shardings s = shardingsOf(op, rule, strategy);
    addVariant(op, s.in, s.out, what);
  }

  // The sets of operands that may be partial, as bits.
  static std::vector<uint32_t> partialOperands(const OpView& op, const Row& row) {
    std::vector<uint32_t> sets;
    if (op.numResults() > 0 && !isFloat(op.result(0).dtype) && !isInteger(op.result(0).dtype)) return sets;
    const uint32_t all = (1u << op.numOperands()) - 1, named = row.linearIn & ~Row::kPartialAll;
    if (row.linearIn & Row::kPartialAll) return {named ? named & all : all};
    for (int i = 0; i < op.numOperands(); ++i)
      if (named >> i & 1 && op.has(i)) sets.push_back(1u << i);
    return sets;
  }

  void addPartial(mlir::Operation* op, uint32_t operands) {
    std::vector<Sharding> in, out;
    auto partial = [&](mlir::Type type, bool isPartial) {
      Sharding sharding = Sharding::replicated(rankOf(type));
      if (isPartial) {
        sharding.partial = {mesh_.whole(0)};
        sharding.combiner = PartialKind::kSum;
      }
      return sharding;
    };
    for (unsigned i = 0; i < op->getNumOperands(); ++i) {
      const mlir::Type type = op->getOperand(i).getType();
      in.push_back(partial(type, operands >> i & 1 && !isNone(type)));
    }
    for (mlir::Type type : op->getResultTypes()) out.push_back(partial(type, true));
    addVariant(op, in, out, "partial operands " + std::to_string(operands));
  }

  // --- faults -----------------------------------------------------------------------------------------------------------------------

  void addFaults(mlir::Operation* op, const Row& row, const Rule& rule) {
    for (int f = 0; f < static_cast<int>(rule.factors.size()); ++f) {
      Rule wrong = rule;
      Factor& factor = wrong.factors[static_cast<size_t>(f)];
      if (*fault_ == RuleFault::kClaimedFree) {
        if (maySplit(factor) || factor.size == Expr(1)) continue;
        factor.kind = isOfResults(rule, f) ? FactorKind::kPass : FactorKind::kReduced;
      } else if (!maySplit(factor)) {
        continue;
      }
      // Any split of a factor that is in results only is right.
      if (*fault_ == RuleFault::kWrongDim && factor.kind == FactorKind::kBroadcast) continue;
      if (*fault_ == RuleFault::kWrongCombiner) {
        if (factor.kind != FactorKind::kReduced) continue;
        factor.combiner = factor.combiner == PartialKind::kSum ? PartialKind::kMax : PartialKind::kSum;
      }
      const Strategy strategy = strategyOf(wrong, f, splitOf(factor, allAxes_));
      if (*fault_ != RuleFault::kClaimedFree && row.admits && !row.admits(OpView(op, facts_), rule, strategy)) continue;
      Shardings s = shardingsOf(op, wrong, strategy);
      if (!spoil(op, s)) continue;
      addVariant(op, s.in, s.out, std::string(text(*fault_)) + ": " + factor.name);
      if (*fault_ == RuleFault::kWrongDim) return;  // every op has it; of each, the first factor will do
    }
  }

  static bool isOfResults(const Rule& rule, int factor) {
    return llvm::any_of(rule.results, [&](const FactorTensor& tensor) {
      return llvm::any_of(tensor.dims, [&](const FactorDim& dim) { return llvm::is_contained(dim, factor); });
    });
  }

  // The faults that are of shardings; false where they change nothing.
  bool spoil(mlir::Operation* op, Shardings& s) const {
    bool changed = *fault_ == RuleFault::kClaimedFree || *fault_ == RuleFault::kWrongCombiner;
    for (unsigned i = 0; i < op->getNumResults(); ++i) {
      const mlir::Type type = op->getResult(i).getType();
      if (isNone(type)) continue;
      Sharding& out = s.out[i];
      if (*fault_ == RuleFault::kDroppedPartial && !out.partial.empty()) {
        out.partial.clear();
        out.combiner = PartialKind::kNone;
        changed = true;
      }
      if (*fault_ == RuleFault::kWrongDim) changed |= moveSplit(out, dimsOf(type));
      if (*fault_ == RuleFault::kDroppedGranule) changed |= dropGranules(out, dimsOf(type));
    }
    return changed;
  }

  bool moveSplit(Sharding& sharding, const Exprs& dims) const {
    for (size_t from = 0; from < dims.size(); ++from)
      for (size_t to = 0; to < dims.size(); ++to) {
        if (sharding.dims[from].whole() || !sharding.dims[to].whole() || dims[to] == Expr(1)) continue;
        sharding.dims[from].factors.clear();
        sharding.dims[to].factors = {{dims[to], allAxes_, dims[to]}};
        sharding = canonical(sharding, dims, facts_);
        return true;
      }
    return false;
  }

  bool dropGranules(Sharding& sharding, const Exprs& dims) const {
    const Sharding before = sharding;
    for (DimSharding& dim : sharding.dims)
      for (DimSplit& split : dim.factors)
        if (!split.axes.empty() && split.granules != split.extent &&
            !facts_.provablyDivides(sizeOf(split.axes), split.granules))
          split.granules = split.extent;
    sharding = canonical(sharding, dims, facts_);
    return sharding != before;
  }

  // --- the module -------------------------------------------------------------------------------------------------------------------

  mlir::Value reshard(mlir::OpBuilder& builder, mlir::Value value, const Sharding& from, const Sharding& to) {
    if (from == to || isNone(value.getType())) return value;
    auto attr = [&](const Sharding& s) {
      return mlir::cast<ShardingAttr>(shardingAttr(builder.getContext(), s, mesh_));
    };
    return builder.create<dist::ReshardOp>(value.getLoc(), value.getType(), value, attr(from), attr(to));
  }

  void addVariant(mlir::Operation* op, const std::vector<Sharding>& in, const std::vector<Sharding>& out,
                  const std::string& what) {
    if (only_ && numFound_++ != *only_) return;
    mlir::OpBuilder builder(terminator());
    mlir::Operation* clone = builder.clone(*op);
    llvm::SmallVector<mlir::Attribute> inAttrs, outAttrs;
    auto attr = [&](mlir::Value value, const Sharding& s) -> mlir::Attribute {
      if (isNone(value.getType())) return builder.getUnitAttr();
      return shardingAttr(builder.getContext(), s, mesh_);
    };
    auto whole = [](mlir::Value value) { return Sharding::replicated(rankOf(value.getType())); };
    builder.setInsertionPoint(clone);
    for (unsigned i = 0; i < clone->getNumOperands(); ++i) {
      mlir::Value value = clone->getOperand(i);
      inAttrs.push_back(attr(value, in[i]));
      clone->setOperand(i, reshard(builder, value, whole(value), in[i]));
    }
    builder.setInsertionPointAfter(clone);
    const std::string name = op->getName().stripDialect().str();
    variants_.push_back({name, name + ", \"" + text_ + "\", " + what + " on " + mesh_.str(),
                         static_cast<int>(outputs_.size()), whole_, static_cast<int>(op->getNumResults())});
    for (unsigned i = 0; i < clone->getNumResults(); ++i) {
      mlir::Value value = clone->getResult(i);
      outAttrs.push_back(attr(value, out[i]));
      outputs_.push_back(reshard(builder, value, out[i], whole(value)));
    }
    clone->setAttr("dist.in", builder.getArrayAttr(inAttrs));
    clone->setAttr("dist.out", builder.getArrayAttr(outAttrs));
  }

  void setOutputs() {
    mlir::Builder builder(module_.getContext());
    llvm::SmallVector<mlir::Type> types;
    for (mlir::Value value : outputs_) types.push_back(value.getType());
    terminator()->setOperands(outputs_);
    function_.setType(builder.getFunctionType(function_.getArgumentTypes(), types));
    for (unsigned i = 0; i < outputs_.size(); ++i)
      function_.setResultAttr(i, "onnx.name", builder.getStringAttr("out" + std::to_string(i)));
  }

  mlir::ModuleOp module_;
  mlir::func::FuncOp function_;
  const Mesh& mesh_;
  AxisList allAxes_;
  std::optional<RuleFault> fault_;
  std::optional<int> only_;
  int numFound_ = 0;
  Facts facts_;
  std::string text_;
  int whole_ = 0;
  llvm::SmallVector<mlir::Value> outputs_;
  std::vector<RuleVariant> variants_;
};

}  // namespace

const char* text(RuleFault fault) {
  switch (fault) {
    case RuleFault::kClaimedFree:
      return "claimed free";
    case RuleFault::kWrongCombiner:
      return "wrong combiner";
    case RuleFault::kDroppedPartial:
      return "dropped partial";
    case RuleFault::kWrongDim:
      return "wrong dim";
    case RuleFault::kDroppedGranule:
      return "dropped granule";
  }
  return "";
}

StatusOr<std::vector<RuleVariant>> addVariants(mlir::ModuleOp module, const Mesh& mesh, std::optional<RuleFault> fault,
                                               std::optional<int> only) {
  return ModuleOfVariants(module, mesh, fault, only).run();
}

}  // namespace shardwright
