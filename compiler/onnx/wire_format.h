// Owns the one thing that must be known of ONNX's wire format: how to take large tensors out of a model's bytes before they are
// parsed. It does not interpret the model; see model_file.h.
#pragma once

#include <string>
#include <string_view>

#include "runtime/base/status.h"

namespace shardwright {

// Tensors whose embedded bytes are more than this become references into the file that holds them.
constexpr size_t kEmbeddedBytesLimit = 1024;

// A serialized ModelProto equal to `model`, except that every TensorProto with more than kEmbeddedBytesLimit bytes of
// raw_data, or of packed float_data or double_data, has external_data instead: {location, offset, length} of those bytes
// within `model`. All three forms are the tensor's little-endian bytes, so a reference into the file is as good as a copy.
// kUserError with the offset at which the bytes stop being a protobuf message.
StatusOr<std::string> detachLargeTensors(std::string_view model, std::string_view location);

}  // namespace shardwright
