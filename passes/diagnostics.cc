#include "passes/diagnostics.h"

#include <chrono>
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

}  // namespace

std::string nodeNameAt(mlir::Location location) {
  if (auto name = mlir::dyn_cast<mlir::NameLoc>(location)) return name.getName().str();
  if (auto fused = mlir::dyn_cast<mlir::FusedLoc>(location))
    for (mlir::Location part : fused.getLocations())
      if (std::string name = nodeNameAt(part); !name.empty()) return name;
  return "";
}

ErrorCollector::ErrorCollector(mlir::MLIRContext* context, std::string model)
    : model_(std::move(model)), handler_(context, [this](mlir::Diagnostic& diagnostic) {
        std::string node = nodeNameAt(diagnostic.getLocation()),
                    line = model_ + ": " + (node.empty() || node == model_ ? "" : node + ": ");
        line += diagnostic.str();
        if (diagnostic.getSeverity() != mlir::DiagnosticSeverity::Error) {
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

void printProgress(int64_t doneBytes, int64_t totalBytes) {
  static std::chrono::steady_clock::time_point last;
  auto now = std::chrono::steady_clock::now();
  bool finished = doneBytes >= totalBytes;
  if (!finished && now - last < std::chrono::milliseconds(100)) return;
  last = now;
  std::fprintf(stderr, "\rweights: %lld of %lld MB%s", static_cast<long long>(doneBytes >> 20),
               static_cast<long long>(totalBytes >> 20), finished ? "\n" : "");
}

}  // namespace shardwright
