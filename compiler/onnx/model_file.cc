#include "compiler/onnx/model_file.h"

#include <limits>

#include "compiler/onnx/error_list.h"
#include "compiler/onnx/external_data.h"
#include "compiler/onnx/function_inliner.h"
#include "compiler/onnx/graph_check.h"
#include "compiler/onnx/wire_format.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

namespace shardwright {
namespace {

std::string lastPart(const std::string& path) { return llvm::sys::path::filename(path).str(); }

std::string folderOf(const std::string& path) {
  llvm::StringRef parent = llvm::sys::path::parent_path(path);
  return parent.empty() ? "." : parent.str();
}

}  // namespace

StatusOr<std::unique_ptr<llvm::MemoryBuffer>> mapModelFile(const std::string& path) {
  llvm::sys::fs::file_status status;
  if (std::error_code error = llvm::sys::fs::status(path, status)) {
    if (error == std::errc::no_such_file_or_directory || error == std::errc::not_a_directory)
      return userError(path + ": there is no such file; give the path of an ONNX model");
    return environmentError(path + ": cannot be examined: " + error.message());
  }
  if (status.type() == llvm::sys::fs::file_type::directory_file)
    return userError(path + ": is a folder; give the path of the model.onnx in it");
  if (status.getSize() >= uint64_t{1} << 31)
    return userError(path + ": has " + std::to_string(status.getSize()) +
                     " bytes, and an ONNX file may have less than 2 GiB; export it with its weights as external data");
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!buffer) return environmentError(path + ": cannot be read: " + buffer.getError().message());
  return std::move(*buffer);
}

namespace {

// Spells the default domain in one way, everywhere.
void normaliseDomains(google::protobuf::RepeatedPtrField<onnx::NodeProto>& nodes) {
  for (onnx::NodeProto& node : nodes) {
    if (node.domain() == "ai.onnx") node.clear_domain();
    for (onnx::AttributeProto& attribute : *node.mutable_attribute()) {
      if (attribute.has_g()) normaliseDomains(*attribute.mutable_g()->mutable_node());
      for (onnx::GraphProto& graph : *attribute.mutable_graphs()) normaliseDomains(*graph.mutable_node());
    }
  }
}

void checkVersions(ModelFile& model, ErrorList& errors) {
  const onnx::ModelProto& proto = model.proto;
  if (proto.ir_version() > kMaxIrVersion)
    errors.add("", "has ONNX IR version " + std::to_string(proto.ir_version()) + "; versions up to " +
                       std::to_string(kMaxIrVersion) + " are supported: export it with an older one");
  for (const onnx::OperatorSetIdProto& opset : proto.opset_import())
    if (opset.domain().empty() || opset.domain() == "ai.onnx")
      model.opset = static_cast<int>(std::min<int64_t>(opset.version(), std::numeric_limits<int>::max()));
  if (model.opset >= kMinOpset && model.opset <= kMaxOpset) return;
  std::string range = "opsets " + std::to_string(kMinOpset) + " to " + std::to_string(kMaxOpset);
  if (model.opset == 0)
    errors.add("", "says no opset of the default domain; " + range + " are supported");
  else if (model.opset >= 7 && model.opset < kMinOpset)
    errors.add("", "has opset " + std::to_string(model.opset) + ", which is not supported yet; export it with one of " +
                       range);
  else
    errors.add(
        "", "has opset " + std::to_string(model.opset) + "; " + range + " are supported: export it with one of them");
}

void normaliseModel(onnx::ModelProto& proto) {
  normaliseDomains(*proto.mutable_graph()->mutable_node());
  for (onnx::FunctionProto& function : *proto.mutable_functions()) {
    if (function.domain() == "ai.onnx") function.clear_domain();
    normaliseDomains(*function.mutable_node());
  }
  // Training graphs are not run, and would keep names alive.
  proto.clear_training_info();
}

}  // namespace

StatusOr<ModelFile> checkModel(onnx::ModelProto proto, const std::string& path) {
  ModelFile model;
  model.proto = std::move(proto);
  model.path = path;
  model.name = lastPart(path);
  model.folder = folderOf(path);
  ErrorList errors(model.name);
  if (model.proto.ir_version() == 0 || !model.proto.has_graph())
    return userError(model.name + ": is not an ONNX model: it has no " +
                     (model.proto.has_graph() ? "IR version" : "graph"));
  checkVersions(model, errors);
  SW_RETURN_IF_ERROR(errors.status());
  normaliseModel(model.proto);
  nameNodes(model.proto);
  inlineLocalFunctions(model.proto, model.opset, errors);
  SW_RETURN_IF_ERROR(errors.status());
  checkGraph(*model.proto.mutable_graph(), model.opset, errors);
  checkExternalData(model.proto, model.folder, errors);
  SW_RETURN_IF_ERROR(errors.status());
  SW_RETURN_IF_ERROR(embedSmallTensors(model.proto, model.folder).within(model.name));
  return model;
}

StatusOr<ModelFile> readModelFile(const std::string& path) {
  SW_ASSIGN_OR_RETURN(std::unique_ptr<llvm::MemoryBuffer> buffer, mapModelFile(path));
  std::string name = lastPart(path);
  auto detached = detachLargeTensors({buffer->getBufferStart(), buffer->getBufferSize()}, name);
  if (!detached.ok()) return detached.status().within(name);
  buffer.reset();
  onnx::ModelProto proto;
  if (!proto.ParseFromString(*detached))
    return userError(name +
                     ": is not an ONNX model, or is damaged: its bytes do not parse; export or copy the file again");
  return checkModel(std::move(proto), path);
}

}  // namespace shardwright
