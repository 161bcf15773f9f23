// Owns how the line talks to its user: MLIR's diagnostics as one message, progress, and the IR after each pass.
#pragma once

#include <chrono>
#include <string>

#include "mlir/IR/Diagnostics.h"
#include "mlir/Pass/PassManager.h"
#include "runtime/base/status.h"

namespace shardwright {

// What a long compilation is doing, on stderr: on a terminal one line that changes and is gone in the end, where the user asks for
// it (-v) elsewhere a line for each thing, with the seconds since the start; else nothing.
class CompileProgress {
 public:
  explicit CompileProgress(bool isVerbose);
  ~CompileProgress() { clear(); }
  CompileProgress(const CompileProgress&) = delete;

  // What is done from now on.
  void say(const std::string& what);
  // Of the weights, at most ten times a second on a terminal, once elsewhere.
  void sayBytes(int64_t done, int64_t total);
  // Says each pass; lives as long as the manager.
  void watch(mlir::PassManager& manager);
  // Takes the line away, so that others can write.
  void clear();

 private:
  void show(const std::string& text);

  bool isTerminal_, speaks_, isShown_ = false;
  std::string what_;
  std::chrono::steady_clock::time_point began_, counted_;
};

// While it lives, errors emitted in the context are kept and not printed; warnings go to stderr.
class ErrorCollector {
 public:
  ErrorCollector(mlir::MLIRContext* context, std::string model, CompileProgress& progress);
  // All of them, one a line: "model.onnx: NODE: what". kInternal if there is none, or one says that it is.
  Status status() const;

 private:
  std::string model_, text_;
  bool internal_ = false;
  mlir::ScopedDiagnosticHandler handler_;
};

// The name of the ONNX node at a location, or "".
std::string nodeNameAt(mlir::Location location);

// Writes folder/NN-PASS.mlir after each pass that changed something.
Status dumpAfterEach(mlir::PassManager& manager, const std::string& folder);

}  // namespace shardwright
