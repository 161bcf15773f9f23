#include "runtime/base/safetensors.h"

#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "runtime/base/crc32c.h"
#include "runtime/base/tensor_file.h"

namespace shardwright {
namespace {

constexpr int64_t kMostHeaderBytes = 100'000'000;  // the format's own limit

struct TypeName {
  std::string_view name;
  DType dtype;
};
constexpr TypeName kTypeNames[] = {
    {"F32", DType::kFloat32},
    {"F16", DType::kFloat16},
    {"BF16", DType::kBFloat16},
    {"F64", DType::kFloat64},
    {"I64", DType::kInt64},
    {"I32", DType::kInt32},
    {"I16", DType::kInt16},
    {"I8", DType::kInt8},
    {"U64", DType::kUint64},
    {"U32", DType::kUint32},
    {"U16", DType::kUint16},
    {"U8", DType::kUint8},
    {"BOOL", DType::kBool},
    {"F8_E4M3", DType::kFloat8E4M3FN},
    {"F8_E5M2", DType::kFloat8E5M2},
    {"F8_E8M0", DType::kFloat8E8M0},
    {"F8_E4M3FNUZ", DType::kFloat8E4M3FNUZ},
    {"F8_E5M2FNUZ", DType::kFloat8E5M2FNUZ},
    {"C64", DType::kComplex64},
};

// The tensor as the file declares it: bytes where the format has no such type.
SafetensorsDeclaration storedForm(const SafetensorsDeclaration& tensor, std::string_view& typeName) {
  for (const TypeName& t : kTypeNames)
    if (t.dtype == tensor.dtype) return typeName = t.name, tensor;
  int64_t count = 1;
  for (int64_t d : tensor.dims) count *= d;
  typeName = "U8";
  return {tensor.name, DType::kUint8, {byteSize(tensor.dtype, count)}};
}

int64_t declaredBytes(const SafetensorsDeclaration& tensor) {
  int64_t count = 1;
  for (int64_t d : tensor.dims) count *= d;
  return byteSize(tensor.dtype, count);
}

std::string headerOf(const std::vector<SafetensorsDeclaration>& tensors) {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  int64_t at = 0;
  for (const SafetensorsDeclaration& tensor : tensors) {
    std::string_view typeName;
    SafetensorsDeclaration stored = storedForm(tensor, typeName);
    int64_t end = at + declaredBytes(tensor);
    json[tensor.name] = {{"dtype", typeName}, {"shape", stored.dims}, {"data_offsets", {at, end}}};
    at = end;
  }
  // Names are bytes to us; what is not UTF-8 is replaced rather than thrown about.
  std::string text = json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  text.resize((text.size() + 8 + 63) / 64 * 64 - 8, ' ');  // the first tensor on a cache line
  return text;
}

std::string partPath(const std::string& path) { return path + ".part-" + std::to_string(::getpid()); }

// One entry of the header, checked against the bytes that follow it.
StatusOr<SafetensorsEntry> entryFromJson(const nlohmann::json& json, int64_t dataBytes, const std::string& where) {
  auto wrong = [&](const std::string& what) { return userError(where + ": " + what); };
  if (!json.is_object() || !json.contains("dtype") || !json["dtype"].is_string() || !json.contains("shape") ||
      !json["shape"].is_array() || !json.contains("data_offsets") || !json["data_offsets"].is_array())
    return wrong("found " + json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).substr(0, 100) +
                 "; an entry has \"dtype\", \"shape\" and \"data_offsets\"");
  SafetensorsEntry entry;
  for (const TypeName& t : kTypeNames)
    if (json["dtype"].get_ref<const std::string&>() == t.name) entry.dtype = t.dtype;
  for (const nlohmann::json& d : json["shape"]) {
    if (!d.is_number_unsigned() || d.get<uint64_t>() > INT64_MAX) return wrong("a dim of \"shape\" is not a size");
    entry.dims.push_back(d.get<int64_t>());
  }
  const nlohmann::json& offsets = json["data_offsets"];
  if (offsets.size() != 2 || !offsets[0].is_number_unsigned() || !offsets[1].is_number_unsigned())
    return wrong("\"data_offsets\" is not a pair of offsets");
  auto begin = offsets[0].get<uint64_t>(), end = offsets[1].get<uint64_t>();
  if (begin > end || end > static_cast<uint64_t>(dataBytes)) {
    return wrong("found bytes " + std::to_string(begin) + " to " + std::to_string(end) + "; the file holds " +
                 std::to_string(dataBytes) + " after its header; it is truncated or not what its header says");
  }
  entry.offset = static_cast<int64_t>(begin);
  entry.sizeBytes = static_cast<int64_t>(end - begin);
  SW_ASSIGN_OR_RETURN(int64_t count, checkedCount(entry.dtype, entry.dims, where));
  if (entry.dtype != DType::kUndefined && byteSize(entry.dtype, count) != entry.sizeBytes) {
    return wrong("found " + std::to_string(entry.sizeBytes) + " bytes; its shape and type need " +
                 std::to_string(byteSize(entry.dtype, count)));
  }
  return entry;
}

}  // namespace

StatusOr<SafetensorsFile> SafetensorsFile::open(const std::string& path) {
  SW_ASSIGN_OR_RETURN(File file, File::openForReading(path));
  SW_ASSIGN_OR_RETURN(int64_t fileBytes, file.sizeBytes());
  unsigned char lengthBytes[8];
  if (fileBytes < 8)
    return userError(path + ": found " + std::to_string(fileBytes) + " bytes; a safetensors file has more");
  SW_RETURN_IF_ERROR(file.readAt(0, lengthBytes, 8));
  uint64_t length = 0;
  for (int i = 7; i >= 0; --i) length = length << 8 | lengthBytes[i];
  if (length > kMostHeaderBytes || static_cast<int64_t>(length) > fileBytes - 8) {
    return userError(path + ": found a header of " + std::to_string(length) + " bytes; allowed are " +
                     std::to_string(std::min(kMostHeaderBytes, fileBytes - 8)) +
                     "; it is truncated or no safetensors file");
  }
  std::string header(length, '\0');
  auto headerBytes = static_cast<int64_t>(length);
  SW_RETURN_IF_ERROR(file.readAt(8, header.data(), headerBytes));
  nlohmann::json json = nlohmann::json::parse(header, nullptr, false);
  if (!json.is_object())
    return userError(path + ": the header is not a JSON object; it is damaged or no safetensors file");
  SafetensorsFile result(std::move(file));
  result.headerChecksum_ = crc32c(header.data(), header.size(), crc32c(lengthBytes, sizeof lengthBytes));
  for (const auto& [name, value] : json.items()) {
    if (name == "__metadata__") continue;
    SW_ASSIGN_OR_RETURN(SafetensorsEntry entry,
                        entryFromJson(value, fileBytes - 8 - headerBytes, path + ": tensor \"" + name + "\""));
    entry.offset += 8 + headerBytes;
    result.entries_.emplace(name, std::move(entry));
  }
  return result;
}

StatusOr<SafetensorsEntry> SafetensorsFile::find(std::string_view name) const {
  auto found = entries_.find(name);
  if (found != entries_.end()) return found->second;
  return userError(path() + ": has no tensor \"" + std::string(name) + "\" among its " +
                   std::to_string(entries_.size()));
}

Status SafetensorsFile::read(const SafetensorsEntry& entry, int64_t begin, void* into, int64_t bytes) const {
  if (begin < 0 || bytes < 0 || begin > entry.sizeBytes || bytes > entry.sizeBytes - begin) {
    return userError(path() + ": bytes " + std::to_string(begin) + " to " + std::to_string(begin + bytes) +
                     " were asked of a tensor of " + std::to_string(entry.sizeBytes));
  }
  return file_.readAt(entry.offset + begin, into, bytes);
}

int64_t SafetensorsWriter::fileBytes(const std::vector<SafetensorsDeclaration>& tensors) {
  int64_t total = 8 + static_cast<int64_t>(headerOf(tensors).size());
  for (const SafetensorsDeclaration& tensor : tensors) total += declaredBytes(tensor);
  return total;
}

StatusOr<SafetensorsWriter> SafetensorsWriter::create(const std::string& path,
                                                      std::vector<SafetensorsDeclaration> tensors) {
  SW_ASSIGN_OR_RETURN(File file, File::create(partPath(path)));
  SafetensorsWriter writer(std::move(file), path);
  std::string header = headerOf(tensors), length(8, '\0');
  for (size_t i = 0; i < 8; ++i) length[i] = static_cast<char>(header.size() >> (8 * i));
  header = length + header;
  SW_RETURN_IF_ERROR(writer.file_.writeAt(0, header.data(), static_cast<int64_t>(header.size())));
  writer.headerChecksum_ = crc32c(header);
  writer.at_ = static_cast<int64_t>(header.size());
  writer.tensors_ = std::move(tensors);
  if (!writer.tensors_.empty()) writer.leftInTensor_ = declaredBytes(writer.tensors_[0]);
  writer.completeTensors();
  return writer;
}

SafetensorsWriter::~SafetensorsWriter() {
  if (!finished_ && file_.descriptor() >= 0) ::unlink(partPath(path_).c_str());
}

void SafetensorsWriter::completeTensors() {
  while (leftInTensor_ == 0 && checksums_.size() < tensors_.size()) {
    checksums_.push_back(partialChecksum_);
    partialChecksum_ = 0;
    if (checksums_.size() < tensors_.size()) leftInTensor_ = declaredBytes(tensors_[checksums_.size()]);
  }
}

Status SafetensorsWriter::append(const void* data, int64_t bytes) {
  auto* from = static_cast<const char*>(data);
  while (bytes > 0) {
    if (checksums_.size() == tensors_.size())
      return internalError(path_ + ": " + std::to_string(bytes) + " bytes more than its tensors have");
    int64_t part = std::min(bytes, leftInTensor_);
    SW_RETURN_IF_ERROR(file_.writeAt(at_, from, part));
    partialChecksum_ = crc32c(from, static_cast<size_t>(part), partialChecksum_);
    at_ += part, from += part, bytes -= part, leftInTensor_ -= part;
    completeTensors();
  }
  return Status();
}

Status SafetensorsWriter::finish() {
  if (checksums_.size() < tensors_.size()) {
    return internalError(path_ + ": tensor \"" + tensors_[checksums_.size()].name + "\" lacks " +
                         std::to_string(leftInTensor_) + " bytes");
  }
  Status closed = file_.close();
  if (closed.ok() && ::rename(partPath(path_).c_str(), path_.c_str()) != 0)
    closed = environmentError(path_ + ": rename: " + std::string(std::strerror(errno)));
  if (!closed.ok()) ::unlink(partPath(path_).c_str());
  finished_ = closed.ok();
  return closed;
}

}  // namespace shardwright
