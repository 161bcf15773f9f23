// Owns the line from a model file to a plan: the order of the passes, and nothing of what they do.
#pragma once

#include <string>

#include "compiler/emit/emit_plan.h"
#include "compiler/onnx/import.h"

namespace mlir {
class PassManager;
}

namespace shardwright {

struct CompileOptions {
  std::string modelPath, outputFolder;
  ImportOptions import;
  std::string mesh;        // "dp=2,tp=4"; empty: one device
  std::string shardSpec;   // a file; empty: none
  std::string target;      // a CPU's name; empty: the host's
  std::string dumpFolder;  // where the IR is written after each pass; empty: nowhere
  int64_t microbatches = 1;
  int64_t memoryLimit = 0;    // bytes per rank; 0: none
  std::string schedule;       // of microbatches: "gpipe", "1f1b", "interleaved"; empty: by cost
  std::string explain;        // a tensor whose sharding is explained on stdout; empty: none
  std::string annotatedPath;  // where the model is written with its shardings; empty: nowhere
  bool writeWeights = true;
  bool dryRun = false;   // decide and report, write nothing
  bool verbose = false;  // progress on stderr
};

// The passes from the imported form to the lowered one.
void addPasses(mlir::PassManager& manager, const CompileOptions& options);

// Compiles and writes the plan. All errors of the user's in one message.
StatusOr<plan::Plan> compile(const CompileOptions& options);

}  // namespace shardwright
