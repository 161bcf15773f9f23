#include "compiler/onnx/external_data.h"

#include <limits>
#include <map>
#include <optional>

#include "compiler/onnx/wire_format.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "runtime/base/dtype.h"

namespace shardwright {
namespace {

std::optional<std::string> entry(const onnx::TensorProto& tensor, const char* key) {
  for (const onnx::StringStringEntryProto& pair : tensor.external_data())
    if (pair.key() == key) return pair.value();
  return std::nullopt;
}

// The number of elements; nothing if a dim is negative or the product overflows.
std::optional<int64_t> countOf(const onnx::TensorProto& tensor) {
  int64_t count = 1;
  for (int64_t dim : tensor.dims())
    if (dim < 0 || __builtin_mul_overflow(count, dim, &count)) return std::nullopt;
  // byteSize multiplies by up to 128 bits.
  if (count > std::numeric_limits<int64_t>::max() / 128) return std::nullopt;
  return count;
}

class Checker {
 public:
  Checker(const std::string& folder, ErrorList& errors) : folder_(folder), errors_(errors) {}

  void check(const onnx::GraphProto& graph) {
    for (const onnx::TensorProto& tensor : graph.initializer())
      check(tensor, tensor.name().empty() ? "an initializer without a name" : tensor.name());
    for (const onnx::NodeProto& node : graph.node())
      for (const onnx::AttributeProto& attribute : node.attribute()) check(attribute, node.name());
  }

 private:
  void check(const onnx::AttributeProto& attribute, const std::string& where) {
    if (attribute.has_t()) check(attribute.t(), where);
    for (const onnx::TensorProto& tensor : attribute.tensors()) check(tensor, where);
    if (attribute.has_g()) check(attribute.g());
    for (const onnx::GraphProto& graph : attribute.graphs()) check(graph);
  }

  void check(const onnx::TensorProto& tensor, const std::string& where) {
    if (tensor.data_type() <= 0 || !onnx::TensorProto::DataType_IsValid(tensor.data_type()))
      return errors_.add(where, "a tensor has the unknown data type " + std::to_string(tensor.data_type()) +
                                    "; ONNX knows 1 to " + std::to_string(onnx::TensorProto::DataType_MAX));
    std::optional<int64_t> count = countOf(tensor);
    if (!count) return errors_.add(where, "a tensor's dims are negative or too large: " + dimsText(tensor));
    if (tensor.data_location() != onnx::TensorProto::EXTERNAL) return;
    DType dtype = static_cast<DType>(tensor.data_type());
    if (dtype == DType::kString) return errors_.add(where, "strings cannot be external data; embed them");
    checkPlace(tensor, where, byteSize(dtype, *count));
  }

  void checkPlace(const onnx::TensorProto& tensor, const std::string& where, int64_t needed) {
    std::string location = entry(tensor, "location").value_or("");
    if (std::string reason = whyOutside(location); !reason.empty())
      return errors_.add(
          where, "external data at \"" + location + "\", which " + reason +
                     "; weights must lie in the model's folder: move the file there and name it relative to it");
    std::optional<int64_t> offset = number(tensor, "offset", where, 0);
    std::optional<int64_t> length = number(tensor, "length", where, needed);
    if (!offset || !length) return;
    if (*length != needed)
      return errors_.add(where, "external data of " + std::to_string(*length) + " bytes in \"" + location +
                                    "\"; shape " + dimsText(tensor) + " of " +
                                    std::string(dtypeName(static_cast<DType>(tensor.data_type()))) + " needs " +
                                    std::to_string(needed) + ": export the model again");
    std::optional<int64_t> size = fileSize(location, where);
    if (size && (*offset > *size || needed > *size - *offset))
      errors_.add(where, "external data of " + std::to_string(needed) + " bytes at offset " + std::to_string(*offset) +
                             " of \"" + location + "\", which has " + std::to_string(*size) +
                             "; the file is cut short or belongs to another model");
  }

  // Why a location is not a file in the model's folder; empty if it is.
  static std::string whyOutside(llvm::StringRef location) {
    if (location.empty()) return "names no file";
    if (llvm::sys::path::is_absolute(location) || location.contains('\\')) return "is not a relative POSIX path";
    if (location.contains('\0')) return "is no path";
    for (auto part = llvm::sys::path::begin(location), end = llvm::sys::path::end(location); part != end; ++part)
      if (*part == "..") return "leaves the model's folder";
    return "";
  }

  // A decimal number of external_data, `otherwise` if it is not there; nothing (reported) if it is no such number.
  std::optional<int64_t> number(const onnx::TensorProto& tensor, const char* key, const std::string& where,
                                int64_t otherwise) {
    std::optional<std::string> text = entry(tensor, key);
    if (!text) return otherwise;
    int64_t value = 0;
    if (!llvm::to_integer(*text, value, 10) || value < 0) {
      errors_.add(where,
                  std::string("external data whose ") + key + " is \"" + *text + "\"; a count of bytes is needed");
      return std::nullopt;
    }
    return value;
  }

  // Each file is examined, and its absence reported, once.
  std::optional<int64_t> fileSize(const std::string& location, const std::string& where) {
    auto [known, isNew] = sizes_.try_emplace(location);
    if (!isNew) return known->second;
    llvm::SmallString<128> path(folder_);
    llvm::sys::path::append(path, location);
    llvm::sys::fs::file_status status;
    if (std::error_code error = llvm::sys::fs::status(path, status))
      errors_.add(where, "external data in \"" + path.str().str() + "\": " + error.message() +
                             "; put the file there (it came beside the model)");
    else if (status.type() != llvm::sys::fs::file_type::regular_file)
      errors_.add(where, "external data in \"" + path.str().str() + "\", which is not a file");
    else
      known->second = static_cast<int64_t>(status.getSize());
    return known->second;
  }

  static std::string dimsText(const onnx::TensorProto& tensor) {
    std::string text = "[";
    for (int i = 0; i < tensor.dims_size(); ++i) text += (i ? "," : "") + std::to_string(tensor.dims(i));
    return text + "]";
  }

  const std::string& folder_;
  ErrorList& errors_;
  std::map<std::string, std::optional<int64_t>> sizes_;
};

}  // namespace

ExternalBytes externalBytes(const onnx::TensorProto& tensor) {
  ExternalBytes bytes;
  bytes.location = entry(tensor, "location").value_or("");
  llvm::to_integer(entry(tensor, "offset").value_or("0"), bytes.offset, 10);
  bytes.length = byteSize(static_cast<DType>(tensor.data_type()), countOf(tensor).value_or(0));
  return bytes;
}

void checkExternalData(const onnx::ModelProto& model, const std::string& folder, ErrorList& errors) {
  Checker(folder, errors).check(model.graph());
}

namespace {

Status embed(onnx::TensorProto& tensor, const std::string& folder) {
  if (tensor.data_location() != onnx::TensorProto::EXTERNAL) return {};
  ExternalBytes bytes = externalBytes(tensor);
  if (bytes.length > static_cast<int64_t>(kEmbeddedBytesLimit)) return {};
  llvm::SmallString<128> path(folder);
  llvm::sys::path::append(path, bytes.location);
  std::string data;
  if (bytes.length > 0) {
    auto slice = llvm::MemoryBuffer::getFileSlice(path, bytes.length, bytes.offset);
    if (!slice) return environmentError(path.str().str() + ": cannot be read: " + slice.getError().message());
    data = (*slice)->getBuffer().str();
  }
  tensor.set_raw_data(data);
  tensor.clear_external_data();
  tensor.clear_data_location();
  return {};
}

Status embed(onnx::GraphProto& graph, const std::string& folder) {
  for (onnx::TensorProto& tensor : *graph.mutable_initializer()) SW_RETURN_IF_ERROR(embed(tensor, folder));
  for (onnx::NodeProto& node : *graph.mutable_node())
    for (onnx::AttributeProto& attribute : *node.mutable_attribute()) {
      if (attribute.has_t()) SW_RETURN_IF_ERROR(embed(*attribute.mutable_t(), folder));
      if (attribute.has_g()) SW_RETURN_IF_ERROR(embed(*attribute.mutable_g(), folder));
      for (onnx::GraphProto& inner : *attribute.mutable_graphs()) SW_RETURN_IF_ERROR(embed(inner, folder));
    }
  return {};
}

}  // namespace

Status embedSmallTensors(onnx::ModelProto& model, const std::string& folder) {
  return embed(*model.mutable_graph(), folder);
}

}  // namespace shardwright
