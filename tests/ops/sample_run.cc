#include "tests/ops/sample_run.h"

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
      case DType::kUint8:
        tensor.as<uint8_t>()[i] = static_cast<uint8_t>(static_cast<int64_t>(number));
        break;
      default:  // truth
        tensor.as<uint8_t>()[i] = static_cast<int64_t>(number) % 2 != 0;
        break;
    }
  }
  return tensor;
}

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

StatusOr<onnx::ModelProto> parseSample(const RuleSample& sample) {
  onnx::ModelProto proto;
  const std::string text = "<ir_version: 10, opset_import: [\"\" : " + std::to_string(sample.opset) +
                           ", \"shardwright\" : 1, \"com.microsoft\" : 1]> sample (" + sample.inputs + ") => () { " +
                           sample.nodes + " }";
  const auto status = onnx::OnnxParser::Parse(proto, text.c_str());
  if (!status.IsOK()) return internalError(status.ErrorMessage());
  return proto;
}

}  // namespace

StatusOr<std::vector<std::string>> opsOf(const RuleSample& sample) {
  SW_ASSIGN_OR_RETURN(const onnx::ModelProto proto, parseSample(sample));
  std::vector<std::string> names;
  for (const auto& node : proto.graph().node())
    names.push_back(node.domain() + (node.domain().empty() ? "" : ".") + node.op_type());
  return names;
}

StatusOr<mlir::OwningOpRef<mlir::ModuleOp>> importSample(mlir::MLIRContext& context, const RuleSample& sample) {
  SW_ASSIGN_OR_RETURN(onnx::ModelProto proto, parseSample(sample));
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

namespace {

struct TemporaryFolder {
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "rules-XXXXXX").string();
    path = mkdtemp(pattern.data());
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path); }
  std::string path;
};

}  // namespace

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
  SW_ASSIGN_OR_RETURN(EmittedPlan emitted, buildPlan(module, options.target));
  SW_RETURN_IF_ERROR(writePlan(std::move(emitted), module, options).status());
  SessionOptions session;
  session.threadsPerRank = 1;
  SW_ASSIGN_OR_RETURN(auto opened, Session::open(options.outputFolder, session));
  std::vector<HostTensor> inputs;
  const std::vector<Filling> filling = fillings(sample, opened->inputs().size());
  for (size_t i = 0; i < opened->inputs().size(); ++i)
    inputs.push_back(inputTensor(opened->inputs()[i], filling[i], i));
  return opened->run(inputs);
}

namespace {

// Whether the op is composed of others, wholly or where a factor is split that its rule marks "@".
bool isComposite(mlir::Operation* op, const Facts& facts) {
  const Row* row = rowOf(op);
  if (!row || std::holds_alternative<ExpandBody>(row->lowering)) return row != nullptr;
  return row->decomposition.expand && ruleText(OpView(op, facts), *row).find('@') != std::string::npos;
}

}  // namespace

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

std::unique_ptr<mlir::MLIRContext> sampleContext() {
  mlir::DialectRegistry registry;
  registerDistDialect(registry);
  registerOnnxDialect(registry);
  registerStepDialect(registry);
  registry.insert<mlir::func::FuncDialect>();
  auto context = std::make_unique<mlir::MLIRContext>(registry, mlir::MLIRContext::Threading::DISABLED);
  context->loadAllAvailableDialects();
  return context;
}

}  // namespace shardwright
