// Owns reading model.onnx: what comes out has been checked as a graph and against the files beside it, and holds no large
// tensor. It does not own types or shapes, nor the IR; see import.h.
#pragma once

#include <memory>
#include <string>

#include "llvm/Support/MemoryBuffer.h"
#include "onnx/onnx_pb.h"
#include "runtime/base/status.h"

namespace shardwright {

// A model as import wants it:
// - a tensor is external data if and only if it has more than kEmbeddedBytesLimit (wire_format.h) bytes, wherever the
//   exporter put it (of embedded ones the location is the model file itself; large ones of varints stay embedded); every
//   location names a file in the model's folder (or a link there), and its offset and length lie within that file;
// - no model-local function is left: calls are replaced by bodies (function_inliner.h);
// - nodes of every graph are in an order in which values are defined before they are used; every node has a name
//   ("OpType_k" for the k-th of its graph where the exporter gave none); no value is undefined or defined twice;
// - the domain "ai.onnx" is written "", as in the schema registry.
struct ModelFile {
  onnx::ModelProto proto;
  std::string path;    // as the user gave it
  std::string name;    // the last part of it: what messages and the IR call the model
  std::string folder;  // what locations of external data are relative to
  int opset = 0;       // of the domain ""
};

constexpr int kMaxIrVersion = 14;
constexpr int kMinOpset = 13;
constexpr int kMaxOpset = 28;

// kUserError with one line per error of the model; kEnvironment where the file system fails.
StatusOr<ModelFile> readModelFile(const std::string& path);

// The file's bytes, mapped and not read: most of a model with embedded weights is never looked at.
StatusOr<std::unique_ptr<llvm::MemoryBuffer>> mapModelFile(const std::string& path);

// The same for a model in memory, whose external data lies in `folder`; for tests.
StatusOr<ModelFile> checkModel(onnx::ModelProto proto, const std::string& path);

}  // namespace shardwright
