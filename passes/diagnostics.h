// Owns how the line talks to its user: MLIR's diagnostics as one message, progress, and the IR after each pass.
#pragma once

#include <string>

#include "mlir/IR/Diagnostics.h"
#include "mlir/Pass/PassManager.h"
#include "runtime/base/status.h"

namespace shardwright {

// While it lives, errors emitted in the context are kept and not printed; warnings go to stderr.
class ErrorCollector {
 public:
  ErrorCollector(mlir::MLIRContext* context, std::string model);
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

// A line on stderr that counts up, at most every tenth of a second.
void printProgress(int64_t doneBytes, int64_t totalBytes);

}  // namespace shardwright
