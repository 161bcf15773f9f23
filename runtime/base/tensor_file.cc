#include "runtime/base/tensor_file.h"

#include <algorithm>

#include "runtime/base/file.h"
#include "runtime/base/tensor.pb.h"

namespace shardwright {
namespace {

// The typed field that ONNX keeps this type in, when it is not raw.
enum class Field { kFloat, kInt32, kInt64, kDouble, kUint64, kNone };

Field fieldOf(DType dtype) {
  switch (dtype) {
    case DType::kFloat32:
    case DType::kComplex64:
      return Field::kFloat;
    case DType::kFloat64:
    case DType::kComplex128:
      return Field::kDouble;
    case DType::kInt64:
      return Field::kInt64;
    case DType::kUint32:
    case DType::kUint64:
      return Field::kUint64;
    case DType::kString:
    case DType::kUndefined:
      return Field::kNone;
    default:
      return Field::kInt32;
  }
}

template <typename To, typename From>
void narrow(const From& from, HostTensor& tensor) {
  To* to = tensor.as<To>();
  for (int i = 0; i < from.size(); ++i) to[i] = static_cast<To>(from[i]);
}

int typedSize(const wire::Tensor& proto, Field field) {
  switch (field) {
    case Field::kFloat:
      return proto.float_data_size();
    case Field::kInt32:
      return proto.int32_data_size();
    case Field::kInt64:
      return proto.int64_data_size();
    case Field::kDouble:
      return proto.double_data_size();
    case Field::kUint64:
      return proto.uint64_data_size();
    case Field::kNone:
      break;
  }
  return 0;
}

void copyTyped(const wire::Tensor& proto, Field field, HostTensor& tensor) {
  int bits = bitWidth(tensor.dtype);
  switch (field) {
    case Field::kFloat:
      return narrow<float>(proto.float_data(), tensor);
    case Field::kDouble:
      return narrow<double>(proto.double_data(), tensor);
    case Field::kInt64:
      return narrow<int64_t>(proto.int64_data(), tensor);
    case Field::kUint64:
      return bits == 32 ? narrow<uint32_t>(proto.uint64_data(), tensor) : narrow<uint64_t>(proto.uint64_data(), tensor);
    case Field::kInt32:
      if (bits <= 8) return narrow<uint8_t>(proto.int32_data(), tensor);
      return bits == 16 ? narrow<uint16_t>(proto.int32_data(), tensor) : narrow<int32_t>(proto.int32_data(), tensor);
    case Field::kNone:
      return;
  }
}

Status fillFromProto(const wire::Tensor& proto, int64_t count, const std::string& where, HostTensor& tensor) {
  auto wrongSize = [&](const std::string& what, int64_t found, int64_t allowed) {
    return userError(where + ": found " + std::to_string(found) + " " + what + ", but its dims and type " +
                     std::string(dtypeName(tensor.dtype)) + " need " + std::to_string(allowed));
  };
  if (!proto.raw_data().empty()) {
    auto found = static_cast<int64_t>(proto.raw_data().size());
    if (found != tensor.sizeBytes()) return wrongSize("bytes of raw data", found, tensor.sizeBytes());
    std::memcpy(tensor.bytes.get(), proto.raw_data().data(), proto.raw_data().size());
    return Status();
  }
  Field field = fieldOf(tensor.dtype);
  // Sub-byte elements are stored packed, a byte per number; complex ones as pairs.
  int64_t expected = count;
  if (bitWidth(tensor.dtype) < 8) expected = tensor.sizeBytes();
  if (tensor.dtype == DType::kComplex64 || tensor.dtype == DType::kComplex128) expected = 2 * count;
  int64_t found = typedSize(proto, field);
  if (found != expected) return wrongSize("numbers", found, expected);
  copyTyped(proto, field, tensor);
  return Status();
}

}  // namespace

StatusOr<int64_t> checkedCount(DType dtype, const std::vector<int64_t>& dims, const std::string& where) {
  constexpr int64_t kMost = int64_t{1} << 60;
  int64_t count = 1;
  bool isEmpty = std::find(dims.begin(), dims.end(), 0) != dims.end();
  for (int64_t d : dims) {
    if (d < 0) return userError(where + ": found the dim " + std::to_string(d) + "; dims are not negative");
    if (!isEmpty && d > kMost / count) return userError(where + ": the dims' product exceeds 2^60");
    count = isEmpty ? 0 : count * d;
  }
  if (count > kMost / std::max(bitWidth(dtype), 8)) return userError(where + ": the tensor exceeds 2^60 bits");
  return count;
}

StatusOr<NamedTensor> tensorFromProto(std::string_view bytes, const std::string& where) {
  wire::Tensor proto;
  if (bytes.size() > INT32_MAX || !proto.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return userError(where + ": is not a tensor in ONNX's protobuf form, or is truncated");
  auto dtype = static_cast<DType>(proto.data_type());
  if (bitWidth(dtype) == 0) {
    return userError(where + ": found element type " + std::to_string(proto.data_type()) + " (" +
                     std::string(dtypeName(dtype)) + "); allowed are ONNX's numeric types, 1 to 26 without 8");
  }
  if (proto.data_location() == 1 || proto.external_data_size() > 0)
    return userError(where + ": its data are in another file; give a file that holds them itself");
  std::vector<int64_t> dims(proto.dims().begin(), proto.dims().end());
  SW_ASSIGN_OR_RETURN(int64_t count, checkedCount(dtype, dims, where));
  // Before anything is allocated: a small file must not ask for a large tensor.
  if (byteSize(dtype, count) > static_cast<int64_t>(bytes.size()) * 8)
    return userError(where + ": its dims need " + std::to_string(byteSize(dtype, count)) + " bytes; the file has " +
                     std::to_string(bytes.size()));
  NamedTensor result{proto.name(), HostTensor::make(dtype, std::move(dims))};
  SW_RETURN_IF_ERROR(fillFromProto(proto, count, where, result.tensor));
  return result;
}

std::string tensorToProto(const HostTensor& tensor, std::string_view name) {
  wire::Tensor proto;
  for (int64_t d : tensor.dims) proto.add_dims(d);
  proto.set_data_type(static_cast<int32_t>(tensor.dtype));
  proto.set_name(std::string(name));
  proto.set_raw_data(tensor.bytes.get(), static_cast<size_t>(tensor.sizeBytes()));
  return proto.SerializeAsString();
}

StatusOr<NamedTensor> readTensorProto(const std::string& path) {
  SW_ASSIGN_OR_RETURN(std::string bytes, readWholeFile(path));
  return tensorFromProto(bytes, path);
}

Status writeTensorProto(const std::string& path, const HostTensor& tensor, std::string_view name) {
  if (tensor.sizeBytes() > INT32_MAX - 4096) {
    return userError(path + ": the tensor has " + std::to_string(tensor.sizeBytes()) +
                     " bytes; protobuf holds less than 2 GiB; write .npy");
  }
  return writeFileAtomically(path, tensorToProto(tensor, name));
}

}  // namespace shardwright
