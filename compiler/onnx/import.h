// Owns how a checked model becomes the imported form of the IR (compiler/README.md). It does not own result types: every result
// of a node has the type `none` until passes/import/infer_shapes.cc gives it one.
#pragma once

#include <map>
#include <string>

#include "compiler/onnx/model_file.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace shardwright {

// What the command line says about symbols, by name.
struct ImportOptions {
  std::map<std::string, int64_t> fixed;    // --dim: the symbol is this number
  std::map<std::string, int64_t> assumed;  // --assume: costs are taken at it
  std::map<std::string, int64_t> maximum;  // --max: a run beyond it is refused
  std::string batch;                       // --batch; empty: the first symbolic leading dim of an input
  bool ignoresAnnotations = false;         // --ignore-annotations: the model's own device configurations are not read
};

// The module: one function @main from the graph's inputs (without those that have an initializer) to its outputs, and the
// attributes
//   onnx.model = "model.onnx", onnx.opset = 20, onnx.opsets = {com.microsoft = 1}, dist.symbols, dist.batch = "batch" (if any),
//   onnx.configurations (device_annotations.h; if any).
// Dims of inputs: numbers; "past + 1" and other parameters that parse as expressions are those; any other parameter is a
// symbol; a dim that says nothing is the symbol "INPUT_dimK". Sizes may be 0 (an empty cache is real). A symbol is assumed
// to be 128, the batch one sample for each part that it is cut into.
// Small tensors are onnx.Constant, others onnx.Weight; equal references are one op. A node's location is its name, within
// which value_names.h keeps the names of its results; an op of a function written for another opset has `onnx.opset`; an op
// with subgraphs keeps them aside (subgraph.h).
// kUserError with all that is wrong: inputs without rank or of other types than tensors, element types that the compiler
// does not know, options that name no symbol.
StatusOr<mlir::OwningOpRef<mlir::ModuleOp>> importModel(mlir::MLIRContext* context, const ModelFile& model,
                                                        const ImportOptions& options);

}  // namespace shardwright
