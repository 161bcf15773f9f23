// Owns what must be known of ONNX's wire format: how to take large tensors out of a model's bytes before they are parsed, and what
// the fields of a message are. It does not interpret the model; see model_file.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"

namespace shardwright {

// Tensors whose embedded bytes are more than this become references into the file that holds them.
constexpr size_t kEmbeddedBytesLimit = 1024;

// A serialized ModelProto equal to `model`, except that every TensorProto with more than kEmbeddedBytesLimit bytes of
// raw_data, or of packed float_data or double_data, has external_data instead: {location, offset, length} of those bytes
// within `model`. All three forms are the tensor's little-endian bytes, so a reference into the file is as good as a copy.
// kUserError with the offset at which the bytes stop being a protobuf message.
StatusOr<std::string> detachLargeTensors(std::string_view model, std::string_view location);

enum WireType : uint32_t { kVarint = 0, kFixed64 = 1, kLengthDelimited = 2, kFixed32 = 5 };

// A field of a message as it lies there.
struct WireField {
  uint32_t number = 0, type = 0;
  std::string_view bytes;    // with its tag
  std::string_view payload;  // of a length-delimited one
  uint64_t value = 0;        // of a varint
};
// In order; nothing if the bytes are no message.
std::optional<std::vector<WireField>> wireFields(std::string_view message);
// Tag and length of a length-delimited field, whose payload follows; and a whole varint field.
void appendWireHead(std::string& out, uint32_t field, uint64_t payloadBytes);
void appendWireNumber(std::string& out, uint32_t field, uint64_t value);

}  // namespace shardwright
