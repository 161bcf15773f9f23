#include <algorithm>
#include <memory>
#include <set>

#include "compiler/codegen/cpu_features.h"
#include "compiler/codegen/loop_nest.h"
#include "compiler/codegen/nest_emitter.h"
#include "compiler/codegen/shared_object.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/Verifier.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Triple.h"

namespace shardwright {
namespace {

bool has(const CpuTarget& target, const char* feature) {
  return std::find(target.features.begin(), target.features.end(), feature) != target.features.end();
}

// "-a,+b": what the target lists, and not what LLVM takes its CPU to have beyond that (a virtual machine may hide some).
StatusOr<std::string> featureText(const CpuTarget& target) {
  SW_ASSIGN_OR_RETURN(std::vector<std::string> usual, instructionSetsOf(target.triple, target.cpu));
  std::string text;
  for (const std::string& feature : usual) {
    if (!has(target, feature.c_str())) text += "-" + feature + ",";
  }
  for (const std::string& feature : target.features) text += "+" + feature + ",";
  if (!text.empty()) text.pop_back();
  return text;
}

StatusOr<std::unique_ptr<llvm::TargetMachine>> makeTargetMachine(const CpuTarget& target) {
  SW_ASSIGN_OR_RETURN(std::string features, featureText(target));
  std::string error;
  const llvm::Target* found = llvm::TargetRegistry::lookupTarget(target.triple, error);
  if (!found) return userError("no code can be made for " + target.triple + ": " + error);
  llvm::TargetOptions options;
  options.AllowFPOpFusion = llvm::FPOpFusion::Strict;  // what is fused is written as such
  std::unique_ptr<llvm::TargetMachine> machine(found->createTargetMachine(
      target.triple, target.cpu, features, options, llvm::Reloc::PIC_, std::nullopt, llvm::CodeGenOptLevel::Default));
  if (!machine) return internalError("LLVM has no code generator for " + target.triple);
  return machine;
}

// 512-bit vectors from Ice Lake and Zen 4 on (avx512vbmi2), where bench_loops measures 1.2 to 1.5 times the speed of 256
// bits on functions and the same on copies; older CPUs lower their clock for them.
TargetTraits traitsOf(const CpuTarget& target) {
  TargetTraits traits;
  if (llvm::Triple(target.triple).getArch() != llvm::Triple::x86_64) {
    traits.fusedMultiplyAdd = traits.halfConversions = true;
    return traits;
  }
  traits.fusedMultiplyAdd = has(target, "fma");
  traits.halfConversions = has(target, "f16c");
  traits.maskedTails = has(target, "avx512bw") && has(target, "avx512vl") && has(target, "avx512dq");
  if (has(target, "avx2")) traits.vectorBytes = 32;
  if (traits.maskedTails && has(target, "avx512vbmi2")) {
    traits.vectorBytes = 64;
    traits.scaleInstruction = true;
  }
  return traits;
}

// The loops are already vectors; what is left is promotion to registers, hoisting and common subexpressions. LLVM's own O2
// gives the same speed in twice the time, and its passes that recognise idioms would make calls. Named in a text, instcombine
// ends the process where a second round would find more, unless told not to.
constexpr const char* kPasses =
    "function(sroa,early-cse<memssa>,simplifycfg,instcombine<no-verify-fixpoint>,loop-mssa(licm<allowspeculation>),"
    "loop-simplify,early-cse<memssa>,loop(indvars,loop-deletion),simplifycfg,instcombine<no-verify-fixpoint>,adce)";

Status optimise(llvm::Module& module, llvm::TargetMachine& machine) {
  llvm::PassBuilder builder(&machine);
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager calls;
  llvm::ModuleAnalysisManager modules;
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(calls);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, calls, modules);
  llvm::ModulePassManager passes;
  if (llvm::Error error = builder.parsePassPipeline(passes, kPasses)) {
    return internalError("LLVM does not know the passes: " + llvm::toString(std::move(error)));
  }
  passes.run(module, modules);
  return Status();
}

StatusOr<std::string> objectOf(llvm::Module& module, llvm::TargetMachine& machine) {
  llvm::SmallVector<char, 0> object;
  llvm::raw_svector_ostream stream(object);
  llvm::legacy::PassManager passes;
  if (machine.addPassesToEmitFile(passes, stream, nullptr, llvm::CodeGenFileType::ObjectFile)) {
    return internalError("LLVM cannot write objects for " + module.getTargetTriple());
  }
  passes.run(module);
  return std::string(object.begin(), object.end());
}

}  // namespace

StatusOr<std::string> compileLoops(const std::vector<LoopNest>& nests, const CpuTarget& target) {
  std::set<std::string> names;
  for (const LoopNest& nest : nests) {
    SW_RETURN_IF_ERROR(nest.verify());
    if (!names.insert(nest.name).second) return internalError("two loop nests are named \"" + nest.name + "\"");
  }
  SW_ASSIGN_OR_RETURN(std::unique_ptr<llvm::TargetMachine> machine, makeTargetMachine(target));
  llvm::LLVMContext context;
  llvm::Module module("loops", context);
  module.setTargetTriple(target.triple);
  module.setDataLayout(machine->createDataLayout());
  TargetTraits traits = traitsOf(target);
  for (const LoopNest& nest : nests) emitNest(nest, traits, module);
  std::string problems;
  llvm::raw_string_ostream stream(problems);
  if (llvm::verifyModule(module, &stream)) return internalError("generated loops are malformed: " + stream.str());
  SW_RETURN_IF_ERROR(optimise(module, *machine));
  SW_ASSIGN_OR_RETURN(std::string object, objectOf(module, *machine));
  return linkSharedObject(object);
}

}  // namespace shardwright
