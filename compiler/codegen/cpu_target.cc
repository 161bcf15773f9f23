#include <algorithm>
#include <memory>
#include <mutex>

#include "compiler/codegen/cpu_features.h"
#include "compiler/codegen/loop_nest.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"

namespace shardwright {
namespace {

// The least that generated loops need on x86: rounding instructions.
constexpr const char* kLeastX86Feature = "sse4.1";

std::vector<std::string> hostFeatures() {
  std::vector<std::string> features;
  for (const auto& feature : llvm::sys::getHostCPUFeatures()) {
    if (feature.second) features.push_back(feature.first().str());
  }
  return features;
}

}  // namespace

void initialiseLlvm() {
  static std::once_flag once;
  std::call_once(once, [] {
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
  });
}

StatusOr<std::vector<std::string>> instructionSetsOf(const std::string& triple, const std::string& cpu) {
  initialiseLlvm();
  std::string error;
  const llvm::Target* found = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!found) return userError("no code can be made for " + triple + ": " + error);
  std::unique_ptr<llvm::MCSubtargetInfo> subtarget(found->createMCSubtargetInfo(triple, "", ""));
  if (!subtarget || !subtarget->isCPUStringValid(cpu)) {
    return userError(
        "--target cpu:" + cpu + ": LLVM knows no CPU of this name for " + triple +
        "; use x86-64-v2, x86-64-v3, x86-64-v4, one of LLVM's names such as sapphirerapids or znver4, or " +
        "leave it out for this machine's");
  }
  subtarget.reset(found->createMCSubtargetInfo(triple, cpu, ""));
  // Only what can be asked of a host is an instruction set; the rest is tuning.
  std::vector<std::string> names;
  for (const auto& feature : llvm::sys::getHostCPUFeatures()) {
    if (subtarget->checkFeatures("+" + feature.first().str())) names.push_back(feature.first().str());
  }
  std::sort(names.begin(), names.end());
  return names;
}

StatusOr<CpuTarget> CpuTarget::resolve(const std::string& cpu) {
  CpuTarget target;
  target.triple = llvm::sys::getProcessTriple();
  bool isX86 = llvm::Triple(target.triple).getArch() == llvm::Triple::x86_64;
  if (cpu.empty()) {
    target.cpu = llvm::sys::getHostCPUName().str();
    target.features = hostFeatures();
  } else if (isX86) {
    target.cpu = cpu;
    SW_ASSIGN_OR_RETURN(target.features, instructionSetsOf(target.triple, cpu));
  } else {
    return userError("--target cpu:" + cpu + ": CPUs can be named on x86-64 only; this machine is " + target.triple);
  }
  std::sort(target.features.begin(), target.features.end());
  if (isX86 && !std::binary_search(target.features.begin(), target.features.end(), kLeastX86Feature)) {
    return userError("--target cpu:" + target.cpu + ": has no " + kLeastX86Feature +
                     "; generated code needs at least x86-64-v2");
  }
  return target;
}

}  // namespace shardwright
