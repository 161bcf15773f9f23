// Owns a tensor in host memory that owns its bytes: what files are read into and results are compared as. Views and
// strides are TensorRef's (runtime/kernels/kernel.h); files are tensor_file.h's.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "runtime/base/dtype.h"

namespace shardwright {

struct HostTensor {
  struct Free {
    void operator()(void* p) const { std::free(p); }
  };

  DType dtype = DType::kUndefined;
  std::vector<int64_t> dims;                   // none: a scalar
  std::unique_ptr<unsigned char, Free> bytes;  // dense, row-major, 64-byte aligned; never null once made

  // Uninitialised; the dims are not negative and their product fits in memory.
  static HostTensor make(DType dtype, std::vector<int64_t> dims) {
    HostTensor tensor;
    tensor.dtype = dtype;
    tensor.dims = std::move(dims);
    auto size = static_cast<size_t>((tensor.sizeBytes() + 63) / 64 * 64);
    tensor.bytes.reset(static_cast<unsigned char*>(std::aligned_alloc(64, size ? size : 64)));
    return tensor;
  }

  int64_t count() const {
    int64_t n = 1;
    for (int64_t d : dims) n *= d;
    return n;
  }
  int64_t sizeBytes() const { return byteSize(dtype, count()); }
  template <typename T>
  T* as() {
    return reinterpret_cast<T*>(bytes.get());
  }
  template <typename T>
  const T* as() const {
    return reinterpret_cast<const T*>(bytes.get());
  }

  HostTensor clone() const {
    HostTensor copy = make(dtype, dims);
    std::memcpy(copy.bytes.get(), bytes.get(), static_cast<size_t>(sizeBytes()));
    return copy;
  }
};

// Element `index` of packed elements as a number; 64-bit integers are rounded; 0 for complex and string types.
double elementAsDouble(DType dtype, const void* elements, int64_t index);

}  // namespace shardwright
