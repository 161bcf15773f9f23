#include "tests/random/given_model.h"

#include <algorithm>
#include <fstream>

#include "onnx/onnx_pb.h"

namespace shardwright {
namespace {

// A size that is no number is an expression of symbols.
StatusOr<std::vector<Expr>> dimsOf(const onnx::TypeProto::Tensor& type) {
  std::vector<Expr> dims;
  for (const auto& dim : type.shape().dim()) {
    if (dim.has_dim_value()) {
      dims.emplace_back(dim.dim_value());
    } else {
      SW_ASSIGN_OR_RETURN(dims.emplace_back(), Expr::parse(dim.dim_param()));
    }
  }
  return dims;
}

bool isPlain(const std::string& name) {
  return !name.empty() && name.find_first_of(" *?[]{}\"\\") == std::string::npos;
}

}  // namespace

const std::vector<std::string>& givenModels() {
  static const std::vector<std::string> names = {"bert-fused", "falcon", "gpt2",   "llama", "llama-attention",
                                                 "mixtral",    "phi3",   "resnet", "t5",    "vit"};
  return names;
}

StatusOr<RandomCase> readGivenModel(const std::string& name) {
  const std::string path = SHARDWRIGHT_SOURCE_DIR "/tests/models/" + name + "/model.onnx";
  std::ifstream file(path, std::ios::binary);
  onnx::ModelProto proto;
  if (!proto.ParseFromIstream(&file)) return userError(path + " cannot be read");
  RandomCase seen;
  for (const auto& input : proto.graph().input()) {
    const auto& type = input.type().tensor_type();
    SW_ASSIGN_OR_RETURN(std::vector<Expr> dims, dimsOf(type));
    seen.inputs.push_back({input.name(), static_cast<DType>(type.elem_type()), std::move(dims), "given"});
  }
  for (const auto& weight : proto.graph().initializer()) {
    if (!isPlain(weight.name())) continue;
    const std::vector<Expr> dims(weight.dims().begin(), weight.dims().end());
    seen.weights.push_back({weight.name(), static_cast<DType>(weight.data_type()), dims, "given"});
  }
  for (const auto& node : proto.graph().node())
    if (isPlain(node.name()))
      seen.nodes.push_back({{{node.name(), DType::kUndefined, {}, "given"}},
                            node.op_type(),
                            {node.input().begin(), node.input().end()}});
  return seen;
}

}  // namespace shardwright
