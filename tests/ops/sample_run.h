// Owns the line from a sample to what it computes: import, the passes that lower it, plan, session; and the comparison of results.
#pragma once

#include <optional>
#include <vector>

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "runtime/base/host_tensor.h"
#include "runtime/base/status.h"
#include "tests/ops/rule_samples.h"

namespace shardwright {

// The context in which all of it is done.
std::unique_ptr<mlir::MLIRContext> sampleContext();

// The sample with types, before any op is composed of others but those that are on import.
StatusOr<mlir::OwningOpRef<mlir::ModuleOp>> importSample(mlir::MLIRContext& context, const RuleSample& sample);

// The ONNX ops that the sample names, "domain.Name" or "Name".
StatusOr<std::vector<std::string>> opsOf(const RuleSample& sample);

// Replaces composite ops by their parts, as deep as they nest; false if there is none.
bool expandComposites(mlir::ModuleOp module);

// Runs the propagated form on the sample's data; the outputs in the function's order.
StatusOr<std::vector<HostTensor>> compileAndRun(mlir::ModuleOp module, const RuleSample& sample);

// How they differ; nothing if they do not. Sums of small integers are exact; what is not gets the error of a few operations.
std::optional<std::string> difference(const HostTensor& found, const HostTensor& whole);

}  // namespace shardwright
