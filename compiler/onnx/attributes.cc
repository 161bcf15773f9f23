#include "compiler/onnx/attributes.h"

#include <cstring>

#include "compiler/dist/tensor_type.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"

namespace shardwright {
namespace {

std::string dtypeText(int32_t dtype) {
  return onnx::TensorProto::DataType_IsValid(dtype)
             ? onnx::TensorProto::DataType_Name(static_cast<onnx::TensorProto::DataType>(dtype))
             : std::to_string(dtype);
}

// The bits of each element, from whichever field the exporter chose; complex numbers are two elements.
std::vector<uint64_t> bitsFromRaw(const std::string& raw, int width, int64_t count) {
  std::vector<uint64_t> bits;
  bits.reserve(count);
  if (width >= 8) {
    for (int64_t i = 0; i < count; ++i) {
      uint64_t value = 0;
      std::memcpy(&value, raw.data() + i * (width / 8), width / 8);
      bits.push_back(value);
    }
    return bits;
  }
  int perByte = 8 / width;
  for (int64_t i = 0; i < count; ++i)
    bits.push_back(static_cast<uint8_t>(raw[i / perByte]) >> (i % perByte * width) & ((1u << width) - 1));
  return bits;
}

template <typename Field>
std::vector<uint64_t> bitsFromField(const Field& field) {
  std::vector<uint64_t> bits;
  bits.reserve(field.size());
  for (auto element : field) {
    uint64_t value = 0;
    std::memcpy(&value, &element, sizeof element);
    bits.push_back(value);
  }
  return bits;
}

// Sub-byte elements lie packed in int32_data, as bytes do in raw_data.
std::vector<uint64_t> bitsFromPackedInts(const onnx::TensorProto& tensor, int width, int64_t count) {
  std::string bytes;
  for (int32_t value : tensor.int32_data()) bytes.push_back(static_cast<char>(value));
  if (static_cast<int64_t>(bytes.size()) * 8 < count * width) return {};
  return bitsFromRaw(bytes, width, count);
}

std::vector<uint64_t> elementBits(const onnx::TensorProto& tensor, DType dtype, int width, int64_t count) {
  if (tensor.has_raw_data()) {
    if (static_cast<int64_t>(tensor.raw_data().size()) != (count * width + 7) / 8) return {};
    return bitsFromRaw(tensor.raw_data(), width, count);
  }
  switch (dtype) {
    case DType::kFloat32:
    case DType::kComplex64:
      return bitsFromField(tensor.float_data());
    case DType::kFloat64:
    case DType::kComplex128:
      return bitsFromField(tensor.double_data());
    case DType::kInt64:
      return bitsFromField(tensor.int64_data());
    case DType::kUint32:
    case DType::kUint64:
      return bitsFromField(tensor.uint64_data());
    default:
      return width < 8 ? bitsFromPackedInts(tensor, width, count) : bitsFromField(tensor.int32_data());
  }
}

int64_t countOf(const onnx::TensorProto& tensor) {
  int64_t count = 1;
  for (int64_t dim : tensor.dims()) count *= dim;
  return count;
}

Status wrongCount(const onnx::TensorProto& tensor, int64_t count) {
  return userError("a tensor of " + dtypeText(tensor.data_type()) + " holds other than the " + std::to_string(count) +
                   " elements that its shape says; export the model again");
}

mlir::DenseElementsAttr floatElements(mlir::RankedTensorType type, mlir::FloatType element,
                                      const std::vector<uint64_t>& bits) {
  llvm::SmallVector<llvm::APFloat> values;
  unsigned width = element.getWidth();
  for (uint64_t value : bits)
    values.emplace_back(element.getFloatSemantics(), llvm::APInt(64, value).zextOrTrunc(width));
  return mlir::DenseElementsAttr::get(type, values);
}

mlir::DenseElementsAttr complexElements(mlir::RankedTensorType type, mlir::FloatType element,
                                        const std::vector<uint64_t>& bits) {
  llvm::SmallVector<std::complex<llvm::APFloat>> values;
  auto part = [&](uint64_t value) {
    return llvm::APFloat(element.getFloatSemantics(), llvm::APInt(64, value).zextOrTrunc(element.getWidth()));
  };
  for (size_t i = 0; i + 1 < bits.size(); i += 2) values.emplace_back(part(bits[i]), part(bits[i + 1]));
  return mlir::DenseElementsAttr::get(type, values);
}

mlir::DenseElementsAttr intElements(mlir::RankedTensorType type, unsigned width, const std::vector<uint64_t>& bits) {
  llvm::SmallVector<llvm::APInt> values;
  for (uint64_t value : bits)
    values.push_back(width == 1 ? llvm::APInt(1, value != 0) : llvm::APInt(64, value).zextOrTrunc(width));
  return mlir::DenseElementsAttr::get(type, values);
}

}  // namespace

mlir::Type knownElementType(mlir::MLIRContext* context, DType dtype) {
  return dtype == DType::kString ? mlir::Type() : elementType(context, dtype);
}

StatusOr<mlir::DenseElementsAttr> tensorAttr(mlir::MLIRContext* context, const onnx::TensorProto& tensor) {
  DType dtype = static_cast<DType>(tensor.data_type());
  mlir::Type element = knownElementType(context, dtype);
  if (!element)
    return userError("a tensor of element type " + dtypeText(tensor.data_type()) + ", which is not supported");
  llvm::SmallVector<int64_t> shape(tensor.dims().begin(), tensor.dims().end());
  auto type = mlir::RankedTensorType::get(shape, element);
  int64_t count = countOf(tensor);
  bool isComplex = mlir::isa<mlir::ComplexType>(element);
  int width = bitWidth(dtype) / (isComplex ? 2 : 1);
  std::vector<uint64_t> bits = elementBits(tensor, dtype, width, count * (isComplex ? 2 : 1));
  if (static_cast<int64_t>(bits.size()) != count * (isComplex ? 2 : 1)) return wrongCount(tensor, count);
  if (auto complex = mlir::dyn_cast<mlir::ComplexType>(element))
    return complexElements(type, mlir::cast<mlir::FloatType>(complex.getElementType()), bits);
  if (auto floating = mlir::dyn_cast<mlir::FloatType>(element)) return floatElements(type, floating, bits);
  return intElements(type, element.getIntOrFloatBitWidth(), bits);
}

StatusOr<mlir::Attribute> attributeOf(mlir::MLIRContext* context, const onnx::AttributeProto& attribute) {
  mlir::Builder builder(context);
  switch (attribute.type()) {
    case onnx::AttributeProto::INT:
      return mlir::Attribute(builder.getI64IntegerAttr(attribute.i()));
    case onnx::AttributeProto::FLOAT:
      return mlir::Attribute(builder.getF32FloatAttr(attribute.f()));
    case onnx::AttributeProto::STRING:
      return mlir::Attribute(builder.getStringAttr(attribute.s()));
    case onnx::AttributeProto::INTS: {
      llvm::SmallVector<int64_t> values(attribute.ints().begin(), attribute.ints().end());
      return mlir::Attribute(builder.getDenseI64ArrayAttr(values));
    }
    case onnx::AttributeProto::FLOATS: {
      llvm::SmallVector<float> values(attribute.floats().begin(), attribute.floats().end());
      return mlir::Attribute(builder.getDenseF32ArrayAttr(values));
    }
    case onnx::AttributeProto::STRINGS: {
      llvm::SmallVector<llvm::StringRef> values(attribute.strings().begin(), attribute.strings().end());
      return mlir::Attribute(builder.getStrArrayAttr(values));
    }
    case onnx::AttributeProto::TENSOR: {
      if (attribute.t().data_location() == onnx::TensorProto::EXTERNAL)
        return userError("attribute \"" + attribute.name() + "\" is a large tensor; make it an initializer");
      SW_ASSIGN_OR_RETURN(mlir::DenseElementsAttr elements, tensorAttr(context, attribute.t()));
      return mlir::Attribute(elements);
    }
    default:
      return userError("attribute \"" + attribute.name() + "\" is of type " +
                       onnx::AttributeProto::AttributeType_Name(attribute.type()) + ", which is not supported");
  }
}

bool toAttributeProto(llvm::StringRef name, mlir::Attribute attr, onnx::AttributeProto& attribute) {
  attribute.set_name(name.str());
  if (auto integer = mlir::dyn_cast<mlir::IntegerAttr>(attr)) {
    attribute.set_type(onnx::AttributeProto::INT);
    attribute.set_i(integer.getInt());
  } else if (auto floating = mlir::dyn_cast<mlir::FloatAttr>(attr)) {
    attribute.set_type(onnx::AttributeProto::FLOAT);
    attribute.set_f(static_cast<float>(floating.getValueAsDouble()));
  } else if (auto string = mlir::dyn_cast<mlir::StringAttr>(attr)) {
    attribute.set_type(onnx::AttributeProto::STRING);
    attribute.set_s(string.str());
  } else if (auto ints = mlir::dyn_cast<mlir::DenseI64ArrayAttr>(attr)) {
    attribute.set_type(onnx::AttributeProto::INTS);
    for (int64_t value : ints.asArrayRef()) attribute.add_ints(value);
  } else if (auto floats = mlir::dyn_cast<mlir::DenseF32ArrayAttr>(attr)) {
    attribute.set_type(onnx::AttributeProto::FLOATS);
    for (float value : floats.asArrayRef()) attribute.add_floats(value);
  } else {
    return false;
  }
  return true;
}

}  // namespace shardwright
