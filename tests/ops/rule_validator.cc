#include "tests/ops/rule_validator.h"

#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <sstream>

#include "compiler/dist/dist_dialect.h"
#include "compiler/dist/module_symbols.h"
#include "compiler/emit/emit_plan.h"
#include "compiler/emit/step_dialect.h"
#include "compiler/onnx/import.h"
#include "compiler/ops/expansion.h"
#include "compiler/ops/row_op.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"
#include "onnx/defs/parser.h"
#include "passes/passes.h"
#include "runtime/session/session.h"

namespace shardwright {
namespace {

// One op under one strategy: the outputs [first, first + count) of the module must equal those of the whole op.
struct Variant {
  std::string description;
  int first = 0, whole = 0, count = 0;
};

class ModuleOfVariants {
 public:
  ModuleOfVariants(mlir::ModuleOp module, const Mesh& mesh, const RuleMutation& mutate)
      : module_(module), function_(module.lookupSymbol<mlir::func::FuncOp>("main")), mesh_(mesh), mutate_(mutate) {}

  // Adds to the function, for each op, its results under every strategy; all are returned.
  StatusOr<std::vector<Variant>> run() {
    module_->setAttr("dist.mesh", meshAttr(module_.getContext(), mesh_));
    facts_ = factsOf(module_);
    std::vector<mlir::Operation*> ops;
    for (mlir::Operation& op : function_.getBody().front())
      if (rowOf(&op)) ops.push_back(&op);
    outputs_.assign(terminator()->operand_begin(), terminator()->operand_end());
    for (mlir::Operation* op : ops) SW_RETURN_IF_ERROR(addVariants(op));
    setOutputs();
    return std::move(variants_);
  }

 private:
  mlir::Operation* terminator() { return function_.getBody().front().getTerminator(); }

  Status addVariants(mlir::Operation* op) {
    const Row& row = *rowOf(op);
    if (std::holds_alternative<std::monostate>(row.lowering)) return Status();
    const OpView view(op, facts_);
    llvm::SmallVector<TensorShape> operands, results;
    for (int i = 0; i < view.numOperands(); ++i) operands.push_back(view.operand(i));
    for (int i = 0; i < view.numResults(); ++i) results.push_back(view.result(i));
    text_ = ruleText(view, row);
    if (mutate_) text_ = mutate_(text_);
    SW_ASSIGN_OR_RETURN(const Rule rule, parseRule(text_, operands, results, facts_));
    whole_ = static_cast<int>(outputs_.size());
    outputs_.insert(outputs_.end(), op->result_begin(), op->result_end());
    for (const auto& [strategy, name] : strategies(rule))
      if (!row.admits || row.admits(view, rule, strategy)) addStrategy(op, rule, strategy, name);
    for (uint32_t operandsThatArePartial : partialOperands(view, row)) addPartial(op, operandsThatArePartial);
    return Status();
  }

  static FactorSplit splitOf(const Factor& factor, const AxisList& axes) {
    const int64_t n = sizeOf(axes);
    const bool isEven = factor.size.isConstant() && *factor.size.constant() % n == 0;
    return {Expr(1), axes, isEven ? Expr(n) : factor.size};
  }

  // Each factor over all axes together and, on meshes of several, pairs of factors over one axis each.
  std::vector<std::pair<Strategy, std::string>> strategies(const Rule& rule) const {
    std::vector<std::pair<Strategy, std::string>> found;
    AxisList all;
    for (size_t a = 0; a < mesh_.axes().size(); ++a) all.push_back(mesh_.whole(static_cast<int>(a)));
    auto maySplit = [&](const Factor& f) {
      return f.kind != FactorKind::kWhole && f.kind != FactorKind::kDecomposed && f.kind != FactorKind::kHalo &&
             f.size != Expr(1);
    };
    const int numFactors = static_cast<int>(rule.factors.size());
    for (int f = 0; f < numFactors; ++f) {
      if (!maySplit(rule.factors[f])) continue;
      Strategy one(numFactors);
      one.splits[f] = {splitOf(rule.factors[f], all)};
      found.push_back({one, rule.factors[f].name});
      for (int g = 0; g < numFactors && mesh_.axes().size() == 2; ++g) {
        if (g == f || !maySplit(rule.factors[g])) continue;
        Strategy two(numFactors);
        two.splits[f] = {splitOf(rule.factors[f], {mesh_.whole(0)})};
        two.splits[g] = {splitOf(rule.factors[g], {mesh_.whole(1)})};
        found.push_back({two, rule.factors[f].name + " and " + rule.factors[g].name});
      }
    }
    return found;
  }

  void addStrategy(mlir::Operation* op, const Rule& rule, const Strategy& strategy, const std::string& name) {
    std::vector<Sharding> in, out;
    auto add = [&](std::vector<Sharding>& list, const FactorTensor& tensor, mlir::Type type, bool isResult) {
      list.push_back(mlir::isa<mlir::NoneType>(type) ? Sharding()
                                                     : project(rule, strategy, tensor, isResult, dimsOf(type), facts_));
    };
    for (unsigned i = 0; i < op->getNumOperands(); ++i) add(in, rule.operands[i], op->getOperand(i).getType(), false);
    for (unsigned i = 0; i < op->getNumResults(); ++i) add(out, rule.results[i], op->getResult(i).getType(), true);
    addVariant(op, in, out, "split of " + name);
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
      Sharding sharding =
          Sharding::replicated(mlir::isa<mlir::NoneType>(type) ? 0 : static_cast<int>(dimsOf(type).size()));
      if (isPartial) {
        sharding.partial = {mesh_.whole(0)};
        sharding.combiner = PartialKind::kSum;
      }
      return sharding;
    };
    for (unsigned i = 0; i < op->getNumOperands(); ++i) {
      const mlir::Type type = op->getOperand(i).getType();
      in.push_back(partial(type, operands >> i & 1 && !mlir::isa<mlir::NoneType>(type)));
    }
    for (mlir::Type type : op->getResultTypes()) out.push_back(partial(type, true));
    addVariant(op, in, out, "partial operands " + std::to_string(operands));
  }

  mlir::Value reshard(mlir::OpBuilder& builder, mlir::Value value, const Sharding& from, const Sharding& to) {
    if (from == to || mlir::isa<mlir::NoneType>(value.getType())) return value;
    auto attr = [&](const Sharding& s) {
      return mlir::cast<ShardingAttr>(shardingAttr(builder.getContext(), s, mesh_));
    };
    return builder.create<dist::ReshardOp>(value.getLoc(), value.getType(), value, attr(from), attr(to));
  }

  Sharding whole(mlir::Value value) const {
    return Sharding::replicated(static_cast<int>(dimsOf(value.getType()).size()));
  }

  void addVariant(mlir::Operation* op, const std::vector<Sharding>& in, const std::vector<Sharding>& out,
                  const std::string& what) {
    mlir::OpBuilder builder(terminator());
    mlir::Operation* clone = builder.clone(*op);
    llvm::SmallVector<mlir::Attribute> inAttrs, outAttrs;
    auto attr = [&](mlir::Value value, const Sharding& s) -> mlir::Attribute {
      if (mlir::isa<mlir::NoneType>(value.getType())) return builder.getUnitAttr();
      return shardingAttr(builder.getContext(), s, mesh_);
    };
    builder.setInsertionPoint(clone);
    for (unsigned i = 0; i < clone->getNumOperands(); ++i) {
      mlir::Value value = clone->getOperand(i);
      inAttrs.push_back(attr(value, in[i]));
      if (!mlir::isa<mlir::NoneType>(value.getType()))
        clone->setOperand(i, reshard(builder, value, whole(value), in[i]));
    }
    builder.setInsertionPointAfter(clone);
    Variant variant{op->getName().stripDialect().str() + ", \"" + text_ + "\", " + what + " on " + mesh_.str(),
                    static_cast<int>(outputs_.size()), whole_, static_cast<int>(op->getNumResults())};
    for (unsigned i = 0; i < clone->getNumResults(); ++i) {
      mlir::Value value = clone->getResult(i);
      outAttrs.push_back(attr(value, out[i]));
      outputs_.push_back(mlir::isa<mlir::NoneType>(value.getType()) ? value
                                                                    : reshard(builder, value, out[i], whole(value)));
    }
    clone->setAttr("dist.in", builder.getArrayAttr(inAttrs));
    clone->setAttr("dist.out", builder.getArrayAttr(outAttrs));
    variants_.push_back(variant);
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
  const RuleMutation& mutate_;
  Facts facts_;
  std::string text_;
  int whole_ = 0;
  llvm::SmallVector<mlir::Value> outputs_;
  std::vector<Variant> variants_;
};

// --- Data and comparison. --------------------------------------------------------------------------------------------------------

// What an input holds; see RuleSample::data.
struct Filling {
  std::string kind = "int";
  int64_t below = 0;
};
std::vector<Filling> fillings(const RuleSample& sample, size_t count) {
  std::vector<Filling> all(count);
  std::istringstream words(sample.data);
  std::string word;
  for (size_t i = 0; i < count && words >> word; ++i) {
    all[i].kind = word;
    if (word == "below") words >> all[i].below;
  }
  return all;
}

double numberAt(const Filling& filling, size_t input, int64_t i) {
  const auto mixed =
      static_cast<int64_t>((static_cast<uint64_t>(i) * 2654435761u + input * 40503u + 12345u) >> 7 & 0xffff);
  if (filling.kind == "below") return static_cast<double>(mixed % filling.below);
  if (filling.kind == "positive") return static_cast<double>(1 + mixed % 9);
  if (filling.kind == "unit") return static_cast<double>(mixed % 17 - 8) / 9 + 0.03;
  const auto number = static_cast<double>(mixed % 11 - 5);
  return number == 0 ? 6 : number;
}

HostTensor inputTensor(const PortDescription& port, const Filling& filling, size_t input) {
  std::vector<int64_t> dims;
  for (const std::string& dim : port.dims) dims.push_back(std::stoll(dim));
  HostTensor tensor = HostTensor::make(port.dtype, dims);
  for (int64_t i = 0; i < tensor.count(); ++i) {
    const double number = numberAt(filling, input, i);
    switch (port.dtype) {
      case DType::kFloat32:
        tensor.as<float>()[i] = static_cast<float>(number);
        break;
      case DType::kFloat16:
        tensor.as<uint16_t>()[i] = floatToFloat16(static_cast<float>(number));
        break;
      case DType::kInt64:
        tensor.as<int64_t>()[i] = static_cast<int64_t>(number);
        break;
      case DType::kInt32:
        tensor.as<int32_t>()[i] = static_cast<int32_t>(number);
        break;
      default:
        tensor.as<uint8_t>()[i] = static_cast<int64_t>(number) % 2 != 0;
        break;
    }
  }
  return tensor;
}

// Sums of small integers are exact; what is not gets the error of a few operations.
std::optional<std::string> difference(const HostTensor& found, const HostTensor& whole) {
  if (found.dims != whole.dims || found.dtype != whole.dtype) return "the sizes or types differ";
  const double tolerance = whole.dtype == DType::kFloat16 ? 4e-3 : isFloat(whole.dtype) ? 2e-5 : 0;
  for (int64_t i = 0; i < whole.count(); ++i) {
    const double a = elementAsDouble(found.dtype, found.bytes.get(), i),
                 b = elementAsDouble(whole.dtype, whole.bytes.get(), i);
    if (a == b || (std::isnan(a) && std::isnan(b)) || std::abs(a - b) <= tolerance * (1 + std::abs(b))) continue;
    return "element " + std::to_string(i) + " of " + std::to_string(whole.count()) + " is " + std::to_string(a) +
           ", of the whole op " + std::to_string(b);
  }
  return std::nullopt;
}

// --- The line from a sample to a run. ----------------------------------------------------------------------------------------------

Status runPasses(mlir::ModuleOp module, const std::function<void(mlir::PassManager&)>& add) {
  std::string errors;
  mlir::ScopedDiagnosticHandler handler(module.getContext(), [&](mlir::Diagnostic& diagnostic) {
    llvm::raw_string_ostream(errors) << diagnostic << "; ";
  });
  mlir::PassManager manager(module.getContext());
  add(manager);
  if (mlir::failed(manager.run(module))) return internalError(errors);
  return Status();
}

StatusOr<mlir::OwningOpRef<mlir::ModuleOp>> importSample(mlir::MLIRContext& context, const RuleSample& sample) {
  onnx::ModelProto proto;
  const std::string text = "<ir_version: 10, opset_import: [\"\" : " + std::to_string(sample.opset) + "]> sample (" +
                           sample.inputs + ") => () { " + sample.nodes + " }";
  const auto status = onnx::OnnxParser::Parse(proto, text.c_str());
  if (!status.IsOK()) return internalError(status.ErrorMessage());
  std::vector<std::string> read;
  for (const auto& node : proto.graph().node()) read.insert(read.end(), node.input().begin(), node.input().end());
  for (const auto& node : proto.graph().node())
    for (const std::string& name : node.output())
      if (!name.empty() && !llvm::is_contained(read, name)) proto.mutable_graph()->add_output()->set_name(name);
  SW_ASSIGN_OR_RETURN(ModelFile file, checkModel(std::move(proto), std::string(sample.name) + ".onnx"));
  SW_ASSIGN_OR_RETURN(auto module, importModel(&context, file, {}));
  SW_RETURN_IF_ERROR(runPasses(*module, [](mlir::PassManager& manager) {
    manager.addPass(createInferShapesPass());
    manager.addPass(createExpandOnImportPass());
    manager.addPass(mlir::createCSEPass());
  }));
  return module;
}

struct TemporaryFolder {
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "rules-XXXXXX").string();
    path = mkdtemp(pattern.data());
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path); }
  std::string path;
};

StatusOr<std::vector<HostTensor>> compileAndRun(mlir::ModuleOp module, const RuleSample& sample) {
  SW_RETURN_IF_ERROR(runPasses(module, [](mlir::PassManager& manager) {
    manager.addPass(createPartitionPass());
    manager.addNestedPass<mlir::func::FuncOp>(createExpandOpsPass());
    manager.addPass(mlir::createCSEPass());
    manager.addNestedPass<mlir::func::FuncOp>(createFuseLoopsPass());
    manager.addNestedPass<mlir::func::FuncOp>(createSelectStepsPass());
  }));
  TemporaryFolder folder;
  EmitOptions options;
  options.outputFolder = folder.path + "/plan";
  SW_ASSIGN_OR_RETURN(options.target, CpuTarget::resolve(""));
  SW_RETURN_IF_ERROR(emitPlan(module, options).status());
  SessionOptions session;
  session.threadsPerRank = 1;
  SW_ASSIGN_OR_RETURN(auto opened, Session::open(options.outputFolder, session));
  std::vector<HostTensor> inputs;
  const std::vector<Filling> filling = fillings(sample, opened->inputs().size());
  for (size_t i = 0; i < opened->inputs().size(); ++i)
    inputs.push_back(inputTensor(opened->inputs()[i], filling[i], i));
  return opened->run(inputs);
}

// Whether the op is composed of others, wholly or where a factor is split that its rule marks "@".
bool isComposite(mlir::Operation* op, const Facts& facts) {
  const Row* row = rowOf(op);
  if (!row || std::holds_alternative<ExpandBody>(row->lowering)) return row != nullptr;
  return row->decomposition.expand && ruleText(OpView(op, facts), *row).find('@') != std::string::npos;
}

// Replaces composite ops by their parts, as deep as they nest; false if there is none.
bool expandComposites(mlir::ModuleOp module) {
  const Facts facts = factsOf(module);
  mlir::OpBuilder builder(module.getContext());
  mlir::Block& body = module.lookupSymbol<mlir::func::FuncOp>("main").getBody().front();
  bool found = false, changed = true;
  while (changed) {
    changed = false;
    for (mlir::Operation& op : llvm::make_early_inc_range(body))
      if (isComposite(&op, facts)) changed |= expandOp(builder, &op, *rowOf(&op), facts);
    found |= changed;
  }
  return found;
}

Status validateForm(const RuleSample& sample, const Mesh& mesh, const RuleMutation& mutate, bool isExpanded,
                    RuleValidation& validation) {
  mlir::DialectRegistry registry;
  registerDistDialect(registry);
  registerOnnxDialect(registry);
  registerStepDialect(registry);
  registry.insert<mlir::func::FuncDialect>();
  mlir::MLIRContext context(registry, mlir::MLIRContext::Threading::DISABLED);
  context.loadAllAvailableDialects();
  SW_ASSIGN_OR_RETURN(auto module, importSample(context, sample));
  if (isExpanded && !expandComposites(*module)) return Status();
  SW_ASSIGN_OR_RETURN(const std::vector<Variant> variants, ModuleOfVariants(*module, mesh, mutate).run());
  SW_ASSIGN_OR_RETURN(const std::vector<HostTensor> outputs, compileAndRun(*module, sample));
  for (const Variant& variant : variants)
    for (int i = 0; i < variant.count; ++i)
      if (auto wrong = difference(outputs[variant.first + i], outputs[variant.whole + i]))
        validation.failures.push_back(std::string(sample.name) + ": " + variant.description + ": " + *wrong);
  validation.numVariants += static_cast<int>(variants.size());
  return Status();
}

}  // namespace

StatusOr<RuleValidation> validateRules(const RuleSample& sample, const std::string& meshText,
                                       const RuleMutation& mutate) {
  SW_ASSIGN_OR_RETURN(const Mesh mesh, Mesh::parse(meshText));
  RuleValidation validation;
  for (bool isExpanded : {false, true})
    if (Status status = validateForm(sample, mesh, mutate, isExpanded, validation); !status.ok())
      return status.within(std::string(sample.name) + " on " + meshText);
  return validation;
}

}  // namespace shardwright
