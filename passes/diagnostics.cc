#include "passes/diagnostics.h"

#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Location.h"
#include "mlir/IR/OperationSupport.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassInstrumentation.h"

namespace shardwright {
namespace {

// Writes the module's text after each pass, under a number that follows the line.
class DumpInstrumentation : public mlir::PassInstrumentation {
 public:
  explicit DumpInstrumentation(std::string folder) : folder_(std::move(folder)) {}

  void runAfterPass(mlir::Pass* pass, mlir::Operation* op) override {
    if (pass->getArgument().empty()) return;  // an adaptor that only runs others
    mlir::Operation* module = op;
    while (module->getParentOp()) module = module->getParentOp();
    std::string text;
    llvm::raw_string_ostream stream(text);
    module->print(stream, mlir::OpPrintingFlags().enableDebugInfo());
    char name[32];
    std::snprintf(name, sizeof name, "%02d-", number_++);
    bool changed = text != last_;
    std::string path = folder_ + "/" + name + pass->getArgument().str() + (changed ? ".mlir" : ".unchanged");
    std::error_code error;
    llvm::raw_fd_ostream file(path, error, llvm::sys::fs::OF_Text);
    if (!error && changed) file << text << "\n";
    last_ = std::move(text);
  }

 private:
  std::string folder_, last_;
  int number_ = 1;
};

class ProgressInstrumentation : public mlir::PassInstrumentation {
 public:
  explicit ProgressInstrumentation(CompileProgress& progress) : progress_(progress) {}
  void runBeforePass(mlir::Pass* pass, mlir::Operation*) override {
    if (!pass->getArgument().empty()) progress_.say(pass->getArgument().str());
  }

 private:
  CompileProgress& progress_;
};

}  // namespace

CompileProgress::CompileProgress(bool isVerbose)
    : isTerminal_(::isatty(STDERR_FILENO) != 0),
      speaks_(isTerminal_ || isVerbose),
      began_(std::chrono::steady_clock::now()) {}

void CompileProgress::say(const std::string& what) {
  if (what == what_) return;
  what_ = what;
  show(what);
}

void CompileProgress::sayBytes(int64_t done, int64_t total) {
  auto now = std::chrono::steady_clock::now();
  if (done < total && now - counted_ < std::chrono::milliseconds(isTerminal_ ? 100 : 1000)) return;
  counted_ = now;
  show("weights: " + std::to_string(done >> 20) + " of " + std::to_string(total >> 20) + " MiB");
}

void CompileProgress::watch(mlir::PassManager& manager) {
  if (speaks_) manager.addInstrumentation(std::make_unique<ProgressInstrumentation>(*this));
}

void CompileProgress::show(const std::string& text) {
  if (!speaks_) return;
  std::chrono::duration<double> since = std::chrono::steady_clock::now() - began_;
  clear();
  std::fprintf(stderr, "%6.1f s  %s%s", since.count(), text.c_str(), isTerminal_ ? "" : "\n");
  std::fflush(stderr);
  isShown_ = isTerminal_;
}

void CompileProgress::clear() {
  if (isShown_) std::fputs("\r\033[K", stderr);
  isShown_ = false;
}

std::string nodeNameAt(mlir::Location location) {
  if (auto name = mlir::dyn_cast<mlir::NameLoc>(location)) return name.getName().str();
  if (auto fused = mlir::dyn_cast<mlir::FusedLoc>(location))
    for (mlir::Location part : fused.getLocations())
      if (std::string name = nodeNameAt(part); !name.empty()) return name;
  return "";
}

ErrorCollector::ErrorCollector(mlir::MLIRContext* context, std::string model, CompileProgress& progress)
    : model_(std::move(model)), handler_(context, [this, &progress](mlir::Diagnostic& diagnostic) {
        std::string node = nodeNameAt(diagnostic.getLocation()),
                    line = model_ + ": " + (node.empty() || node == model_ ? "" : node + ": ");
        line += diagnostic.str();
        if (diagnostic.getSeverity() != mlir::DiagnosticSeverity::Error) {
          progress.clear();
          std::fprintf(stderr, "%s: warning: %s\n", model_.c_str(), line.substr(model_.size() + 2).c_str());
          return mlir::success();
        }
        internal_ |= line.find("internal error") != std::string::npos;
        text_ += (text_.empty() ? "" : "\n") + line;
        return mlir::success();
      }) {}

Status ErrorCollector::status() const {
  if (text_.empty()) return internalError(model_ + ": a pass failed and did not say why");
  return internal_ ? Status(StatusCode::kInternal, text_) : userError(text_);
}

Status dumpAfterEach(mlir::PassManager& manager, const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return environmentError(folder + ": " + error.message());
  manager.addInstrumentation(std::make_unique<DumpInstrumentation>(folder));
  return Status();
}

}  // namespace shardwright
