#include "compiler/emit/emit_plan.h"

#include <filesystem>

#include "compiler/dist/module_symbols.h"
#include "compiler/dist/stage_form.h"
#include "compiler/emit/plan_tables.h"
#include "compiler/emit/predict.h"
#include "runtime/base/crc32c.h"
#include "runtime/base/file.h"
#include "runtime/plan/checker.h"
#include "runtime/plan/plan_io.h"

namespace shardwright {
namespace {

constexpr char kCodeFile[] = "code.so";

// The whole batch goes by the name that the model gives it, and one microbatch's by another.
void addSymbols(mlir::ModuleOp module, const std::map<std::string, Expr>& names, plan::Plan& plan) {
  const std::string batch = batchOf(module);
  for (const SymbolInfo& symbol : symbolsOf(module)) {
    plan::Symbol* added = plan.add_symbols();
    bool isPart = !names.empty() && symbol.name == batch;
    bool isTotal = !names.empty() && symbol.name == batch + ".total";
    added->set_name(isPart || isTotal ? names.at(symbol.name).symbolName() : symbol.name);
    if (isPart) added->set_part_of(symbol.name);
    added->set_min(symbol.range.min);
    added->set_max(symbol.range.max);
    added->set_divisor(symbol.range.divisor);
    added->set_assumed(symbol.assumed);
  }
}

Status refuseForeignFolder(const std::string& folder) {
  std::error_code error;
  if (!std::filesystem::exists(folder, error) || std::filesystem::exists(folder + "/plan.pb", error)) return Status();
  if (std::filesystem::is_directory(folder, error) && std::filesystem::is_empty(folder, error)) return Status();
  return userError(folder + ": exists and is no plan; name another folder, or remove it");
}

// Nothing but the kernels' own verifiers, which the compiler does not see, is left to whoever reads the plan.
Status provePlan(const plan::Plan& plan) {
  CheckOptions options;
  options.depth = CheckDepth::kProof;
  std::string message;
  for (const std::string& violation : planViolations(plan, options)) message += "\n  " + violation;
  if (message.empty()) return Status();
  return internalError("the plan made for " + plan.model() +
                       " breaks its constraints (runtime/plan/README.md); "
                       "nothing was written" +
                       message);
}

}  // namespace

StatusOr<EmittedPlan> buildPlan(mlir::ModuleOp module, const CpuTarget& target) {
  EmittedPlan emitted;
  plan::Plan& plan = emitted.plan;
  plan.set_version(kPlanVersion);
  plan.set_producer("shardwright 0.1.0");
  if (auto name = module->getAttrOfType<mlir::StringAttr>("onnx.model")) plan.set_model(name.str());
  const std::map<std::string, Expr> names = planNamesOf(module);
  addSymbols(module, names, plan);
  plan.mutable_target()->set_kind("cpu");
  plan.mutable_target()->set_triple(target.triple);
  plan.mutable_target()->set_cpu(target.cpu);
  for (const std::string& feature : target.features) plan.mutable_target()->add_features(feature);
  PlanTables tables(plan, meshOf(module), pipelineOf(module), names);
  SW_ASSIGN_OR_RETURN(emitted.programs, emitPrograms(module, tables));
  SW_ASSIGN_OR_RETURN(Machine machine, builtInMachine(plan.target().kind()));
  SW_RETURN_IF_ERROR(predictTimes(plan, emitted.programs.flops, machine));
  return emitted;
}

StatusOr<plan::Plan> writePlan(EmittedPlan emitted, mlir::ModuleOp module, const EmitOptions& options) {
  SW_RETURN_IF_ERROR(refuseForeignFolder(options.outputFolder));
  plan::Plan& plan = emitted.plan;
  SW_ASSIGN_OR_RETURN(FolderReplacement folder, FolderReplacement::begin(options.outputFolder));
  if (!emitted.programs.nests.empty()) {
    SW_ASSIGN_OR_RETURN(std::string code, compileLoops(emitted.programs.nests, options.target));
    plan::Section* section = plan.add_sections();
    section->set_file(kCodeFile);
    section->set_bytes(code.size());
    section->set_crc32c(crc32c(code.data(), code.size()));
    SW_RETURN_IF_ERROR(writeFileAtomically(folder.partPath() + "/" + kCodeFile, code));
  }
  plan.set_without_weights(!options.writeWeights);
  if (options.writeWeights) {
    SW_RETURN_IF_ERROR(writeWeights(emitted.programs.weights, plan, meshOf(module), options.modelFolder,
                                    folder.partPath(), options.progress));
  }
  SW_RETURN_IF_ERROR(provePlan(plan));
  SW_RETURN_IF_ERROR(savePlan(folder.partPath(), plan));
  SW_RETURN_IF_ERROR(folder.commit());
  return std::move(plan);
}

}  // namespace shardwright
