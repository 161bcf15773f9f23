// Owns the files that hold one tensor: ONNX's `.pb` test data and NumPy's `.npy`. Weight files are safetensors.h's.
#pragma once

#include <string>
#include <string_view>

#include "runtime/base/host_tensor.h"
#include "runtime/base/status.h"

namespace shardwright {

struct NamedTensor {
  std::string name;  // empty if the file gives none
  HostTensor tensor;
};

// The wire form of ONNX's TensorProto. Raw data and the typed fields are read, all element types but string; external
// data is refused. `where` begins every message.
StatusOr<NamedTensor> tensorFromProto(std::string_view bytes, const std::string& where);
std::string tensorToProto(const HostTensor& tensor, std::string_view name);  // with raw data

StatusOr<NamedTensor> readTensorProto(const std::string& path);
Status writeTensorProto(const std::string& path, const HostTensor& tensor, std::string_view name);

// .npy, versions 1 to 3, little endian, C or Fortran order. bfloat16, which NumPy lacks, is its "V2" (two opaque bytes,
// what np.save makes of ml_dtypes.bfloat16), both ways. Types narrower than a byte, and of 8-bit floats, have no form.
StatusOr<HostTensor> npyFromBytes(std::string_view bytes, const std::string& where);
StatusOr<HostTensor> readNpy(const std::string& path);
Status writeNpy(const std::string& path, const HostTensor& tensor);

// The count of elements, or a failure if a dim is negative or the bytes exceed 2^60. For readers of hostile headers.
StatusOr<int64_t> checkedCount(DType dtype, const std::vector<int64_t>& dims, const std::string& where);

}  // namespace shardwright
