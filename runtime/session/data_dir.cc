#include "runtime/session/data_dir.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <set>
#include <string_view>

#include "runtime/base/tensor_file.h"

namespace shardwright {
namespace {

namespace fs = std::filesystem;

// Reads "<kind>_<index>.pb" or "<name>.npy"; nothing if neither is there.
StatusOr<std::optional<HostTensor>> readTensor(const std::string& folder, const std::string& kind, size_t index,
                                               const std::string& name) {
  std::error_code ignored;
  std::string proto = folder + "/" + kind + "_" + std::to_string(index) + ".pb";
  if (fs::exists(proto, ignored)) {
    SW_ASSIGN_OR_RETURN(NamedTensor named, readTensorProto(proto));
    return std::optional<HostTensor>(std::move(named.tensor));
  }
  std::string npy = folder + "/" + fileName(name) + ".npy";
  if (fs::exists(npy, ignored)) {
    SW_ASSIGN_OR_RETURN(HostTensor tensor, readNpy(npy));
    return std::optional<HostTensor>(std::move(tensor));
  }
  return std::optional<HostTensor>();
}

Status checkFolder(const std::string& folder) {
  std::error_code ignored;
  if (fs::is_directory(folder, ignored)) return Status();
  return userError("--data " + folder + " is no folder; give one with input_0.pb, input_1.pb, … or NAME.npy files");
}

// Data of another model: it has an input that this one does not.
Status refuseExtraInputs(const std::string& folder, const std::vector<PortDescription>& ports) {
  std::error_code ignored;
  std::set<std::string> extra;
  for (fs::directory_iterator entry(folder, ignored), end; !ignored && entry != end; entry.increment(ignored)) {
    std::string name = entry->path().filename().string();
    uint64_t number = 0;
    const char* last = name.data() + name.size();
    if (name.rfind("input_", 0) != 0) continue;
    auto [rest, error] = std::from_chars(name.data() + 6, last, number);
    if (error == std::errc() && std::string_view(rest, static_cast<size_t>(last - rest)) == ".pb" &&
        number >= ports.size())
      extra.insert(name);
  }
  if (extra.empty()) return Status();
  std::string names;
  for (const PortDescription& port : ports) names += (names.empty() ? "" : ", ") + port.name;
  return userError(folder + " has " + *extra.begin() + ", and the model has " + std::to_string(ports.size()) +
                   (ports.size() == 1 ? " input: " : " inputs: ") + names +
                   "; give the data of this model, or take that file away");
}

// splitmix64: the same numbers everywhere, unlike the distributions of <random>.
uint64_t nextRandom(uint64_t& state) {
  uint64_t z = state += 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

template <typename T>
void put(HostTensor& tensor, int64_t index, T value) {
  std::memcpy(tensor.bytes.get() + index * static_cast<int64_t>(sizeof value), &value, sizeof value);
}

void fillElement(HostTensor& tensor, int64_t i, uint64_t random) {
  double unit = static_cast<double>(random >> 11) / 4503599627370496.0 - 1.0;  // [-1, 1)
  auto bit = static_cast<uint8_t>(random >> 40 & 1);
  switch (tensor.dtype) {
    case DType::kFloat32:
      return put(tensor, i, static_cast<float>(unit));
    case DType::kFloat64:
      return put(tensor, i, unit);
    case DType::kFloat16:
      return put(tensor, i, floatToFloat16(static_cast<float>(unit)));
    case DType::kBFloat16:
      return put(tensor, i, floatToBfloat16(static_cast<float>(unit)));
    default:
      break;
  }
  int width = bitWidth(tensor.dtype) / 8;
  if (width >= 1 && (isInteger(tensor.dtype) || tensor.dtype == DType::kBool)) {
    tensor.bytes.get()[i * width] = bit;  // little endian; the rest is zero
  }
}

}  // namespace

std::string fileName(const std::string& port) {
  std::string name = port;
  for (char& c : name) {
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '.' && c != '_' && c != '-') c = '_';
  }
  return name;
}

StatusOr<std::vector<HostTensor>> readInputs(const std::string& folder, const std::vector<PortDescription>& ports) {
  SW_RETURN_IF_ERROR(checkFolder(folder));
  SW_RETURN_IF_ERROR(refuseExtraInputs(folder, ports));
  std::vector<HostTensor> tensors;
  std::string missing;
  for (size_t i = 0; i < ports.size(); ++i) {
    SW_ASSIGN_OR_RETURN(std::optional<HostTensor> tensor, readTensor(folder, "input", i, ports[i].name));
    tensors.emplace_back();
    if (tensor) {
      tensors.back() = std::move(*tensor);
    } else if (!ports[i].optional) {
      missing += "\n" + folder + " has neither input_" + std::to_string(i) + ".pb nor " + fileName(ports[i].name) +
                 ".npy for input '" + ports[i].name + "'";
    }
  }
  if (!missing.empty()) return userError(missing.substr(1));
  return tensors;
}

StatusOr<std::vector<std::optional<HostTensor>>> readExpectedOutputs(const std::string& folder,
                                                                     const std::vector<PortDescription>& ports) {
  SW_RETURN_IF_ERROR(checkFolder(folder));
  std::vector<std::optional<HostTensor>> tensors;
  for (size_t i = 0; i < ports.size(); ++i) {
    SW_ASSIGN_OR_RETURN(std::optional<HostTensor> tensor, readTensor(folder, "output", i, ports[i].name));
    tensors.push_back(std::move(tensor));
  }
  bool any = std::any_of(tensors.begin(), tensors.end(), [](const auto& tensor) { return tensor.has_value(); });
  if (!any) return userError("--check: " + folder + " has no output_0.pb, output_1.pb, … or NAME.npy of an output");
  return tensors;
}

Status writeOutputs(const std::string& folder, const std::vector<PortDescription>& ports,
                    const std::vector<HostTensor>& outputs) {
  std::error_code error;
  fs::create_directory(folder, error);
  std::error_code ignored;
  if (!fs::is_directory(folder, ignored)) {
    bool isUsers = !error || error == std::errc::no_such_file_or_directory || error == std::errc::not_a_directory ||
                   error == std::errc::file_exists;
    std::string text = "--outputs " + folder + ": " + (error ? error.message() : "is a file") +
                       "; name a folder, or one that can be made in a folder that is there";
    return isUsers ? userError(text) : environmentError(text);
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    SW_RETURN_IF_ERROR(writeTensorProto(folder + "/output_" + std::to_string(i) + ".pb", outputs[i], ports[i].name));
  }
  return Status();
}

std::vector<HostTensor> randomInputs(const std::vector<PortDescription>& ports, uint64_t seed) {
  std::vector<HostTensor> tensors;
  for (const PortDescription& port : ports) {
    tensors.push_back(HostTensor::make(port.dtype, port.assumedDims));
    HostTensor& tensor = tensors.back();
    std::memset(tensor.bytes.get(), 0, static_cast<size_t>(tensor.sizeBytes()));
    uint64_t state = seed + tensors.size() * 0x1000003u;
    for (int64_t i = 0; i < tensor.count(); ++i) fillElement(tensor, i, nextRandom(state));
  }
  return tensors;
}

}  // namespace shardwright
