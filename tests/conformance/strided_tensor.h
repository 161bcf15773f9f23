// Owns a small tensor for tests of collectives: any type and strides, elements read and written as numbers.
#pragma once

#include <cstring>
#include <vector>

#include "runtime/comm/communicator.h"

namespace shardwright {

enum class Layout { kContiguous, kPaddedRows, kTransposed };

// Elements between the strided ones are `kFiller` and must stay so.
class StridedTensor {
 public:
  static constexpr unsigned char kFiller = 0xA5;

  StridedTensor(DType dtype, std::vector<int64_t> dims, Layout layout = Layout::kContiguous)
      : dtype_(dtype), dims_(std::move(dims)) {
    block_.rank = static_cast<int>(dims_.size());
    int64_t stride = 1;
    for (int i = block_.rank - 1; i >= 0; --i) {
      int dim = layout == Layout::kTransposed ? block_.rank - 1 - i : i;
      block_.dims[dim] = dims_[static_cast<size_t>(dim)];
      block_.strides[dim] = stride;
      stride *= block_.dims[dim];
      if (layout == Layout::kPaddedRows && i == block_.rank - 1) stride += 3;
    }
    bytes_.assign(static_cast<size_t>(stride * width() + width()), static_cast<char>(kFiller));
  }

  StridedBlock block() {
    block_.data = bytes_.data();
    return block_;
  }
  int64_t count() const {
    int64_t n = 1;
    for (int64_t d : dims_) n *= d;
    return n;
  }
  const std::vector<char>& bytes() const { return bytes_; }

  double get(int64_t i) const {
    const char* at = bytes_.data() + offset(i) * width();
    switch (dtype_) {
      case DType::kFloat32:
        return load<float>(at);
      case DType::kFloat64:
        return load<double>(at);
      case DType::kFloat16:
        return float16ToFloat(load<uint16_t>(at));
      case DType::kBFloat16:
        return bfloat16ToFloat(load<uint16_t>(at));
      case DType::kInt64:
        return static_cast<double>(load<int64_t>(at));
      case DType::kInt32:
        return load<int32_t>(at);
      case DType::kInt8:
        return load<int8_t>(at);
      default:
        return load<uint8_t>(at);
    }
  }

  void set(int64_t i, double value) {
    char* at = bytes_.data() + offset(i) * width();
    switch (dtype_) {
      case DType::kFloat32:
        return store(at, static_cast<float>(value));
      case DType::kFloat64:
        return store(at, value);
      case DType::kFloat16:
        return store(at, floatToFloat16(static_cast<float>(value)));
      case DType::kBFloat16:
        return store(at, floatToBfloat16(static_cast<float>(value)));
      case DType::kInt64:
        return store(at, static_cast<int64_t>(value));
      case DType::kInt32:
        return store(at, static_cast<int32_t>(value));
      case DType::kInt8:
        return store(at, static_cast<int8_t>(value));
      default:
        return store(at, static_cast<uint8_t>(value));
    }
  }

 private:
  template <typename T>
  static T load(const char* at) {
    T value;
    std::memcpy(&value, at, sizeof value);
    return value;
  }
  template <typename T>
  static void store(char* at, T value) {
    std::memcpy(at, &value, sizeof value);
  }

  int width() const { return bitWidth(dtype_) / 8; }
  int64_t offset(int64_t i) const {
    int64_t at = 0;
    for (int d = block_.rank - 1; d >= 0; --d) {
      at += i % block_.dims[d] * block_.strides[d];
      i /= block_.dims[d];
    }
    return at;
  }

  DType dtype_;
  std::vector<int64_t> dims_;
  StridedBlock block_;
  std::vector<char> bytes_;
};

}  // namespace shardwright
