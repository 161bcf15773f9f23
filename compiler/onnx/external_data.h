// Owns where a tensor's external bytes are, and the check that they are there. Of large tensors it reads none.
#pragma once

#include <string>

#include "compiler/onnx/error_list.h"
#include "onnx/onnx_pb.h"
#include "runtime/base/status.h"

namespace shardwright {

// Bytes of a file, little endian, row major.
struct ExternalBytes {
  std::string location;  // relative to the model's folder
  int64_t offset = 0;
  int64_t length = 0;
};

// What a tensor's external_data says, the length being what its shape and dtype need. Requires checkExternalData.
ExternalBytes externalBytes(const onnx::TensorProto& tensor);

// Reports every tensor of the model whose shape or dtype makes no sense, whose location leaves the folder (absolute, or with
// ".."; links are followed, as caches of downloaded models consist of them), whose file is missing, whose offset and length
// lie outside of the file, or whose length is not what shape and dtype need.
void checkExternalData(const onnx::ModelProto& model, const std::string& folder, ErrorList& errors);

// Makes external tensors of at most kEmbeddedBytesLimit (wire_format.h) embedded ones: shapes and other constants that import
// must see may lie in files too. Requires checkExternalData; kEnvironment if a file cannot be read.
Status embedSmallTensors(onnx::ModelProto& model, const std::string& folder);

}  // namespace shardwright
