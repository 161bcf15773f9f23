#include "compiler/onnx/annotated_model.h"

#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "compiler/onnx/function_inliner.h"
#include "compiler/onnx/model_file.h"
#include "compiler/onnx/wire_format.h"
#include "llvm/Support/MemoryBuffer.h"
#include "runtime/base/file.h"

namespace shardwright {
namespace {

constexpr uint32_t kIrVersion = 1, kGraph = 7, kConfiguration = 26, kNodeOfGraph = 1, kDeviceConfigurations = 10;
constexpr uint64_t kFirstIrVersion = 11;

// Of a part of a model that import has parsed.
std::vector<WireField> fieldsOf(std::string_view message) {
  return wireFields(message).value_or(std::vector<WireField>());
}

// Name, or id, is field 1 of both messages.
bool isOf(std::string_view message, const std::string& configuration) {
  for (const WireField& field : fieldsOf(message))
    if (field.number == 1 && field.type == kLengthDelimited) return field.payload == configuration;
  return false;
}

NodeNames namesOf(std::string_view node, size_t index) {
  NodeNames names;
  std::string type;
  for (const WireField& field : fieldsOf(node)) {
    if (field.type != kLengthDelimited) continue;
    if (field.number == 1) names.inputs.emplace_back(field.payload);
    if (field.number == 2) names.outputs.emplace_back(field.payload);
    if (field.number == 3) names.name = field.payload;
    if (field.number == 4) type = field.payload;
  }
  if (names.name.empty()) names.name = nameOfNode(type, index);
  return names;
}

void appendMessage(std::string& out, uint32_t field, const google::protobuf::MessageLite& message) {
  std::string bytes = message.SerializeAsString();
  appendWireHead(out, field, bytes.size());
  out += bytes;
}

// Bytes one behind the other into a file.
class Appender {
 public:
  explicit Appender(const File& file) : file_(file) {}
  Status append(std::string_view bytes) {
    SW_RETURN_IF_ERROR(file_.writeAt(at_, bytes.data(), static_cast<int64_t>(bytes.size())));
    at_ += static_cast<int64_t>(bytes.size());
    return Status();
  }

 private:
  const File& file_;
  int64_t at_ = 0;
};

// The file of a tensor's external data that is not the model itself; the first one found.
std::string otherFile(const onnx::TensorProto& tensor, const std::string& model) {
  for (const onnx::StringStringEntryProto& entry : tensor.external_data())
    if (entry.key() == "location" && entry.value() != model) return entry.value();
  return "";
}
std::string otherFile(const onnx::GraphProto& graph, const std::string& model) {
  std::string found;
  auto look = [&](const std::string& file) { found = found.empty() ? file : found; };
  for (const onnx::TensorProto& tensor : graph.initializer()) look(otherFile(tensor, model));
  for (const onnx::NodeProto& node : graph.node())
    for (const onnx::AttributeProto& attribute : node.attribute()) {
      if (attribute.has_t()) look(otherFile(attribute.t(), model));
      if (attribute.has_g()) look(otherFile(attribute.g(), model));
      for (const onnx::TensorProto& tensor : attribute.tensors()) look(otherFile(tensor, model));
      for (const onnx::GraphProto& inner : attribute.graphs()) look(otherFile(inner, model));
    }
  return found;
}

}  // namespace

struct AnnotatedModel::State {
  std::string path, name;
  std::unique_ptr<llvm::MemoryBuffer> file;
  std::vector<WireField> fields;  // of the model
  std::vector<NodeNames> nodes;

  std::string_view bytes() const { return {file->getBufferStart(), file->getBufferSize()}; }
  Status checkPlace(const std::string& outPath) const;
  std::string annotatedNode(std::string_view node, const NodeAnnotation& annotation, const std::string& name) const;
  Status appendGraph(std::string_view graph, const DeviceConfiguration& configuration, size_t& node,
                     Appender& out) const;
};

AnnotatedModel::AnnotatedModel(std::unique_ptr<State> state) : state_(std::move(state)) {}
AnnotatedModel::~AnnotatedModel() = default;
const std::vector<NodeNames>& AnnotatedModel::nodes() const { return state_->nodes; }

StatusOr<std::unique_ptr<AnnotatedModel>> AnnotatedModel::open(const std::string& path) {
  auto state = std::make_unique<State>();
  state->path = path;
  state->name = std::filesystem::path(path).filename();
  SW_ASSIGN_OR_RETURN(state->file, mapModelFile(path));
  auto damaged = [&] { return userError(state->name + ": is not an ONNX model, or is damaged"); };
  auto fields = wireFields(state->bytes());
  if (!fields) return damaged();
  state->fields = std::move(*fields);
  for (const WireField& field : state->fields) {
    if (field.number != kGraph) continue;
    auto graph = wireFields(field.payload);
    if (!graph) return damaged();
    for (const WireField& node : *graph)
      if (node.number == kNodeOfGraph) state->nodes.push_back(namesOf(node.payload, state->nodes.size()));
  }
  return std::unique_ptr<AnnotatedModel>(new AnnotatedModel(std::move(state)));
}

Status AnnotatedModel::State::checkPlace(const std::string& outPath) const {
  namespace fs = std::filesystem;
  std::error_code error;
  auto folderOf = [&](const std::string& file) {
    return fs::weakly_canonical(fs::absolute(file).parent_path(), error);
  };
  if (fs::equivalent(path, outPath, error))
    return userError("--annotated " + outPath + ": is the model itself; give another name");
  if (folderOf(path) == folderOf(outPath)) return Status();
  SW_ASSIGN_OR_RETURN(std::string detached, detachLargeTensors(bytes(), name));
  onnx::ModelProto proto;
  if (!proto.ParseFromString(detached)) return Status();  // import has said so
  std::string other = otherFile(proto.graph(), name);
  if (other.empty()) return Status();
  return userError("--annotated " + outPath + ": " + name + " has external data in " + other +
                   ", which is looked for beside the model; write the annotated one into " + folderOf(path).string());
}

std::string AnnotatedModel::State::annotatedNode(std::string_view node, const NodeAnnotation& annotation,
                                                 const std::string& configuration) const {
  std::string out;
  for (const WireField& field : fieldsOf(node))
    if (field.number != kDeviceConfigurations || !isOf(field.payload, configuration)) out += field.bytes;
  if (annotation.stage || !annotation.tensors.empty())
    appendMessage(out, kDeviceConfigurations, toProto(annotation, configuration));
  return out;
}

// Nodes come anew, all else as it lies in the file. node: the number of the graph's first one.
Status AnnotatedModel::State::appendGraph(std::string_view graph, const DeviceConfiguration& configuration,
                                          size_t& node, Appender& out) const {
  std::vector<std::string> nodes;
  uint64_t size = 0;
  const std::vector<WireField> fields = fieldsOf(graph);
  for (const WireField& field : fields) {
    if (field.number == kNodeOfGraph) {
      std::string bytes = annotatedNode(field.payload, configuration.nodes[node++], configuration.name);
      appendWireHead(nodes.emplace_back(), kNodeOfGraph, bytes.size());
      nodes.back() += bytes;
    }
    size += field.number == kNodeOfGraph ? nodes.back().size() : field.bytes.size();
  }
  std::string head;
  appendWireHead(head, kGraph, size);
  SW_RETURN_IF_ERROR(out.append(head));
  auto next = nodes.begin();
  for (const WireField& field : fields)
    SW_RETURN_IF_ERROR(out.append(field.number == kNodeOfGraph ? std::string_view(*next++) : field.bytes));
  return Status();
}

Status AnnotatedModel::write(const std::string& path, const DeviceConfiguration& configuration) const {
  SW_RETURN_IF_ERROR(state_->checkPlace(path));
  std::string part = path + ".part-" + std::to_string(::getpid());
  auto write = [&]() -> Status {
    SW_ASSIGN_OR_RETURN(File file, File::create(part));
    Appender out(file);
    std::string head;
    bool hasVersion = false;
    size_t node = 0;
    for (const WireField& field : state_->fields) {
      if (field.number == kConfiguration && isOf(field.payload, configuration.name)) continue;
      if (field.number == kIrVersion) {
        hasVersion = true;
        head.clear();
        appendWireNumber(head, kIrVersion, std::max(field.value, kFirstIrVersion));
        SW_RETURN_IF_ERROR(out.append(head));
      } else if (field.number == kGraph) {
        SW_RETURN_IF_ERROR(state_->appendGraph(field.payload, configuration, node, out));
      } else {
        SW_RETURN_IF_ERROR(out.append(field.bytes));
      }
    }
    head.clear();
    if (!hasVersion) appendWireNumber(head, kIrVersion, kFirstIrVersion);
    onnx::DeviceConfigurationProto proto;
    proto.set_name(configuration.name);
    proto.set_num_devices(static_cast<int32_t>(configuration.devices));
    appendMessage(head, kConfiguration, proto);
    SW_RETURN_IF_ERROR(out.append(head));
    return file.close();
  };
  Status written = write();
  if (written.ok() && std::rename(part.c_str(), path.c_str()) != 0)
    written = environmentError(path + ": cannot be written");
  if (!written.ok()) ::unlink(part.c_str());
  return written;
}

}  // namespace shardwright
