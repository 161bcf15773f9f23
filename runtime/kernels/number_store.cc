#include "runtime/kernels/number_store.h"

namespace shardwright {
namespace {

template <typename Number>
bool store(DType type, void* data, int64_t i, Number value) {
  switch (type) {
    case DType::kBool:
      static_cast<uint8_t*>(data)[i] = value != 0;
      return true;
    case DType::kUint8:
      static_cast<uint8_t*>(data)[i] = static_cast<uint8_t>(value);
      return true;
    case DType::kInt8:
      static_cast<int8_t*>(data)[i] = static_cast<int8_t>(value);
      return true;
    case DType::kUint16:
      static_cast<uint16_t*>(data)[i] = static_cast<uint16_t>(value);
      return true;
    case DType::kInt16:
      static_cast<int16_t*>(data)[i] = static_cast<int16_t>(value);
      return true;
    case DType::kUint32:
      static_cast<uint32_t*>(data)[i] = static_cast<uint32_t>(value);
      return true;
    case DType::kInt32:
      static_cast<int32_t*>(data)[i] = static_cast<int32_t>(value);
      return true;
    case DType::kUint64:
      static_cast<uint64_t*>(data)[i] = static_cast<uint64_t>(value);
      return true;
    case DType::kInt64:
      static_cast<int64_t*>(data)[i] = static_cast<int64_t>(value);
      return true;
    case DType::kFloat64:
      static_cast<double*>(data)[i] = static_cast<double>(value);
      return true;
    case DType::kFloat32:
      static_cast<float*>(data)[i] = static_cast<float>(value);
      return true;
    case DType::kFloat16:
      static_cast<uint16_t*>(data)[i] = floatToFloat16(static_cast<float>(value));
      return true;
    case DType::kBFloat16:
      static_cast<uint16_t*>(data)[i] = floatToBfloat16(static_cast<float>(value));
      return true;
    default:
      return false;
  }
}

}  // namespace

bool canStoreNumbers(DType type) {
  uint64_t element;
  return store(type, &element, 0, int64_t{0});
}

void storeNumber(DType type, void* data, int64_t index, int64_t value) { store(type, data, index, value); }
void storeNumber(DType type, void* data, int64_t index, double value) { store(type, data, index, value); }

}  // namespace shardwright
